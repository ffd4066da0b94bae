"use strict";

// Shows the description. Where it needs a token, the token is asked for and kept until the tab closes.
const KEPT = "dynasplit-token";
const ask = document.getElementById("ask");

async function show() {
  const token = sessionStorage.getItem(KEPT);
  const response = await fetch("openapi.json", token ? { headers: { Authorization: `Bearer ${token}` } } : {});
  if (!response.ok) {
    document.getElementById("refused").textContent = token ? (await response.json()).error : "";
    sessionStorage.removeItem(KEPT);
    ask.hidden = false;
    return;
  }
  ask.hidden = true;
  const ui = SwaggerUIBundle({
    spec: await response.json(),
    dom_id: "#page",
    deepLinking: true,
    validatorUrl: null,
    onComplete: () => token && ui.preauthorizeApiKey("token", token),
  });
}

ask.addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEPT, document.getElementById("token").value.trim());
  show();
});

show();
