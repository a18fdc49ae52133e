from realtime.telemetry import Handled
from server.kernel import metrics
from server.observability import known_event, on_realtime


def test_what_a_client_invents_makes_no_series() -> None:
    for number in range(5):
        on_realtime(
            Handled(pattern="feed:news", event=f"made-up-{number}", outcome="ok", seconds=0.1)
        )

    names = {
        sample.labels["event"]
        for metric in metrics.handled.collect()
        for sample in metric.samples
        if "event" in sample.labels
    }
    assert "unknown" in names
    assert not any(name.startswith("made-up") for name in names)


def test_known_events_keep_their_names() -> None:
    assert known_event("feed:news", "ack") == "ack"
    assert known_event("nowhere:*", "ack") == "unknown"
