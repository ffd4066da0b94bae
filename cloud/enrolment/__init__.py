"""Enrolment: a one-use code becomes all that a device needs."""
