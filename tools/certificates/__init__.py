"""Certificates for a fleet's own backend and broker, signed by an authority that is made here."""
