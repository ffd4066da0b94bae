"""Tables on their way to devices."""
