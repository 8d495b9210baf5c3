"""Figures in Arabic pages as brokers in Cairo and Abu Dhabi write them: Western digits, a point, commas between thousands."""

DECIMAL_SEPARATOR = "."
THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
