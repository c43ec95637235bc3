"""Why a deployment waits, or has ended: what was observed of it, and the causes that this names."""
