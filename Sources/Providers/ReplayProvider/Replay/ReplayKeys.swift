package import ServiceRuntime

extension ConfigurationKey {
    /// The keys of the provider `replay`.
    package static let replay: [ConfigurationKey] = [
        ConfigurationKey(
            "REPLAY_FILE", .text, group: "Replay",
            "Recording that is replayed; empty: a range of another namespace's tape."),
        ConfigurationKey(
            "REPLAY_NATS_URL", .list, group: "Replay",
            "NATS of the tape that is replayed; empty: NATS_URL."),
        ConfigurationKey(
            "REPLAY_NATS_USER", .text, group: "Replay",
            "User that may read the tape that is replayed; empty: NATS_USER."),
        ConfigurationKey(
            "REPLAY_NATS_PASSWORD", .text, secret: true, group: "Replay",
            "Password of that user."),
        ConfigurationKey(
            "REPLAY_NAMESPACE", .text, group: "Replay",
            "Namespace whose tape is replayed."),
        ConfigurationKey(
            "REPLAY_SOURCE", .text, default: "synthetic", group: "Replay",
            "Source that is replayed from there."),
        ConfigurationKey(
            "REPLAY_FROM", .text, group: "Replay",
            "Packets sent at this time (ISO) or later; empty: from the tape's beginning."),
        ConfigurationKey(
            "REPLAY_TO", .text, group: "Replay",
            "Packets sent before this time (ISO)."),
        ConfigurationKey(
            "REPLAY_SYMBOLS", .list, group: "Replay",
            "Symbols that are replayed, separated by commas; empty: all."),
        ConfigurationKey(
            "REPLAY_SPEED", .text, default: "1", group: "Replay",
            "How many times as fast as recorded, or full: as fast as the tape takes it."),
        ConfigurationKey(
            "REPLAY_SHIFT", .choice(["recorded", "now"]), default: "recorded", group: "Replay",
            "Whether times stay as recorded, or move so that the recording begins now."),
    ]
}
