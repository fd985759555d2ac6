"""Questions of a chain's people, their truth by plain SQL, and zava's answers to them."""
