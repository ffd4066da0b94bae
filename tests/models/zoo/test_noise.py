"""Seeded noise that looks natural to a network."""

from __future__ import annotations

import numpy as np

from models.zoo.noise import noise_images


def test_the_same_seed_gives_the_same_images_of_every_brightness():
    images = noise_images(3, 50, seed=4)

    assert images.shape == (3, 50, 50, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(images, noise_images(3, 50, seed=4))
    assert not np.array_equal(images[0], images[1])
    assert 90 < images.mean() < 165
    assert images.std() > 25


def test_neighbouring_pixels_are_alike():
    image = noise_images(1, 64, 1, seed=2)[0, :, :, 0].astype(float)

    beside, far = np.abs(image[:, 1:] - image[:, :-1]).mean(), np.abs(image[:, 40:] - image[:, :-40]).mean()
    assert beside < far / 2
