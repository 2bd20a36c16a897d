"""Which runs to buy, and what to decide: policies compared on tables whose dear end is known."""
