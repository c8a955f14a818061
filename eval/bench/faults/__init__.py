"""What a gateway does when its upstream misbehaves: an upstream that does, and a judge of answers.

Nothing here knows how a gateway is made: it is asked over a socket, and judged by the bytes that it
sends, by what reaches the upstream, and where its ledger can be read by what it charges.
"""
