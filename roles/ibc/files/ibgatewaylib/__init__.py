"""What runs beside IB Gateway on the host: the launcher, `ibgatewayctl` and the credential tool.

Standard library only, and few imports: the launcher stays resident next to every Gateway.
"""
