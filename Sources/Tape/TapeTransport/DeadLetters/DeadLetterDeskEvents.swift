internal import ServiceRuntime

extension ServiceEvent {
    static func deadLettersFiled(count: Int, reason: String) -> Self {
        Self(
            .warning, "dead_letters.filed",
            "NATS takes no dead letters, so they lie in a file: \(reason)",
            ("count", .integer(Int64(count))))
    }

    static func deadLettersDelivered(file: String, count: Int) -> Self {
        Self(
            .info, "dead_letters.delivered", "a file of dead letters was published",
            ("file", .text(file)), ("count", .integer(Int64(count))))
    }

    static func deadLettersStuck(reason: String) -> Self {
        Self(
            .warning, "dead_letters.stuck",
            "dead letters have no stream, or files of them cannot be published; it is tried again: "
                + reason)
    }
}
