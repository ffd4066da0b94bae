"""Measuring on a device while the search goes on, through its agent."""

from __future__ import annotations

import argparse

from models.bundle import Bundle
from protocol.errors import InvalidInput
from tools.agent import Agent
from tools.backend import Backend
from tools.optimizing.worlds import Keeper, OnDevice, World, within
from tools.profile_device import DEFAULT_CODECS, DEFAULT_REPEATS, inputs_of, parse_codecs, prepare, space_of
from tools.tokens import agent_token

_TAG = "optimize"


def device_world(arguments: argparse.Namespace) -> World:
    """A world on the device that `--agent` names, with the bundle in `--bundle-folder`; brings the bundle there first.

    What `--keep` holds counts as measured. InvalidInput for options that cannot be, BundleMismatch for kept measurements
    of another bundle, ServiceMissing while agent or backend is away.
    """
    repeats = DEFAULT_REPEATS if arguments.repeats is None else arguments.repeats
    if repeats < 1:
        raise InvalidInput(f"--repeats must be 1 or more, not {repeats}")
    codecs = parse_codecs(arguments.codecs) if arguments.codecs else DEFAULT_CODECS
    bundle = Bundle.open(arguments.bundle_folder)
    inputs = inputs_of(bundle, arguments.samples)
    agent = Agent(arguments.agent, token=agent_token(arguments))
    prepare(Backend(arguments.backend, token=arguments.token), agent, bundle)
    keeper = Keeper(arguments.keep) if arguments.keep else None
    device = str(agent.device()["device"])
    if keeper:
        keeper.check(bundle.digest, device)
    space = space_of(agent, bundle, codecs)
    return World(
        space=space,
        measurer=OnDevice(
            agent,
            bundle,
            inputs,
            repeats=repeats,
            run=arguments.tag or _TAG,
            keep=keeper.keep if keeper else lambda _measurement: None,
        ),
        there=within(space, keeper.before) if keeper else (),
        origin=(bundle.manifest.network, device, bundle.digest),
        live=True,
    )
