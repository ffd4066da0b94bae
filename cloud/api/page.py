"""The page of the description: Swagger UI, from its package and from here, so that it works without internet."""

from __future__ import annotations

from importlib.resources import files

from flask import Blueprint, Response

from cloud.api.access import open_to_all
from cloud.api.described import Operation, described
from protocol.errors import NotFound

blueprint = Blueprint("page", __name__)

_HERE = files("cloud.api") / "page_files"
_SWAGGER = files("flask_openapi3_swagger") / "templates" / "swagger"
_FILES = {
    "page.js": (_HERE / "page.js", "text/javascript"),
    "page.css": (_HERE / "page.css", "text/css"),
    "swagger-ui.css": (_SWAGGER / "css" / "swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": (_SWAGGER / "js" / "swagger-ui-bundle.js", "text/javascript"),
}
_HEADERS = {
    # Swagger UI sets styles in its elements and draws with data: images.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
    "Cache-Control": "max-age=3600",
}


@blueprint.get("/api/v1/docs")
@open_to_all
@described(Operation(answers={200: {"text/html": bytes}}))
def page() -> Response:
    """This description as a page for people. It asks for a token where the description needs one."""
    return Response((_HERE / "index.html").read_bytes(), mimetype="text/html", headers=_HEADERS)


@blueprint.get("/api/v1/docs/<file>")
@open_to_all
@described(Operation(answers={200: {"text/javascript": bytes, "text/css": bytes}}))
def page_file(file: str) -> Response:
    """What the page is made of."""
    if file not in _FILES:
        raise NotFound(f"the page has no file {file!r:.60}")
    path, media_type = _FILES[file]
    return Response(path.read_bytes(), mimetype=media_type, headers=_HEADERS)
