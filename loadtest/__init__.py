"""The storm: recordings and generated visitors, sent at the time that was planned for them."""
