"""MQTT: the one package that uses paho."""
