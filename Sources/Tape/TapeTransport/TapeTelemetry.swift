internal import TapeProtocol
package import ServiceRuntime

// The events of the tape's edge: each is one log line and its counters.

extension ServiceEvent {
    static func connectionLost(reason: String) -> Self {
        Self(
            .warning, "nats.connection.lost", "lost the connection to NATS; reconnecting",
            ("reason", .text(reason))
        ).counting(
            "mds_nats_disconnects_total",
            "a connection to NATS that was lost; the process tries to reconnect for ever",
            "often: check the server and the network")
    }

    static func connectionRestored() -> Self {
        Self(.info, "nats.connection.restored", "connected to NATS again").counting(
            "mds_nats_reconnects_total", "a connection to NATS that was restored")
    }

    static func connectionRefused(reason: String) -> Self {
        Self(
            .error, "nats.connection.refused",
            "NATS is there, and the connection is refused; trying again",
            ("reason", .text(reason))
        ).counting(
            "mds_nats_refusals_total",
            "a link to NATS that could not be restored although a server was there, because of "
                + "TLS",
            "read the log line: usually a certificate has changed or expired: "
                + "[NatsAway](runbooks/Nats.md)")
    }

    static func serverLeaving() -> Self {
        Self(
            .info, "nats.server.leaving",
            "the NATS server is about to stop; waiting for another one")
    }

    static func connectionComplaint(text: String) -> Self {
        Self(
            .error, "nats.connection.complaint", "NATS refused something that this service did",
            ("reason", .text(text))
        ) { $0.countNatsError(text) }
    }
}

extension MetricRegistry {
    /// What nats-server and libnats say of a log-in that is refused or no longer holds.
    private static let refusedLogIns = ["Authorization Violation", "Authentication "]

    /// Counts an error that NATS reported without a request, but not a refused log-in: each new
    /// password refuses some, and a link that stays away shows in `mds_nats_connected`.
    package func countNatsError(_ text: String) {
        guard !Self.refusedLogIns.contains(where: text.contains) else { return }
        counter(
            "mds_nats_errors_total",
            "an error that NATS reported without a request, such as a missing permission, but "
                + "not a refused log-in",
            "read the log line: usually a right is missing: [NatsUnsteady](runbooks/Nats.md)"
        ).add()
    }
}

extension ServiceEvent {
    /// Reports that a packet was not acknowledged, with the reason; `label` is its label in
    /// metrics.
    static func publishUnsettled(subject: String, reason: String, label: String, level: LogLevel)
        -> Self
    {
        Self(
            level, "tape.publish.unsettled",
            "a packet was not acknowledged; it will be settled and sent again",
            ("subject", .text(subject)), ("reason", .text(reason))
        ).counting(
            "mds_tape_publish_unsettled_total",
            "a packet whose first publish was not acknowledged; it is settled and sent again "
                + "(\"in_process\": the server is still busy with a write to the subject; a "
                + "warning only after 10 s)", "\"refused\" continues: the stream is full",
            by: "reason: timeout, out_of_sequence, in_process, no_responders, refused, "
                + "malformed, connection", labels: [("reason", label)])
    }

    /// Reports that a higher epoch owns a subject.
    static func publisherFenced(subject: String, ours: UInt64, theirs: UInt64) -> Self {
        Self(
            .error, "tape.publish.fenced",
            "another owner publishes on this subject; nothing more is published",
            ("subject", .text(subject)), ("epoch", .unsigned(ours)),
            ("owner.epoch", .unsigned(theirs))
        ).counting(
            "mds_tape_fenced_total", "a subject that another owner took over",
            "unwanted: two processes have the same configuration")
    }

    /// Reports that a subject was restored from a backup; `lost` is `nil` when only markers are
    /// lost.
    /// `holdsTicks`: false for watermarks, which are numbered, too, but are no ticks.
    static func tapeRolledBack(
        subject: String, lost: ClosedRange<UInt64>?, sequence: UInt64, holdsTicks: Bool
    ) -> Self {
        Self(
            .error, "tape.rolled_back",
            holdsTicks
                ? "the tape lost ticks that it had acknowledged"
                : "the tape lost watermarks that it had acknowledged",
            ("subject", .text(subject)), ("sequence", .unsigned(sequence)),
            ("lost.first", .unsigned(lost?.lowerBound ?? 0)),
            ("lost.last", .unsigned(lost?.upperBound ?? 0))
        ) { metrics in
            metrics.counter(
                "mds_tape_rollbacks_total", "a time that the tape was found in an older state",
                "as `mds_tape_lost_ticks_total`"
            ).add()
            metrics.counter(
                "mds_tape_lost_ticks_total", "an acknowledged tick that the tape no longer holds",
                "the store was restored from a backup: restore a newer one, or accept the gap"
            ).add(holdsTicks ? lost?.ordinalCount ?? 0 : 0)
        }
    }

    /// Reports that a reader makes its consumer again.
    static func readerDoubted(reader: String, doubt: ReaderDoubt) -> Self {
        Self(
            .warning, "tape.reader.renewed", "a reader makes its consumer anew at its position",
            ("reader", .text(reader)), ("reason", .text(doubt.description))
        ).counting(
            "mds_tape_reader_renewals_total",
            "a consumer that was made again at its position, or a stream whose reported end was "
                + "before the position and is read again; nothing is lost by it",
            "often without reconnects: check the server",
            by: "reason: reconnected, stalled, missed_delivery, missing_ordinals, refused_pull, "
                + "ends_early", labels: [("reason", doubt.label)])
    }

    /// Reports that the tape was purged before a reader of a group that is not needed had read it.
    static func readerLetGo(reader: String, sequence: UInt64, first: UInt64) -> Self {
        Self(
            .warning, "tape.reader.let_go",
            "the tape was purged before this group, which is not needed, had read it: reading "
                + "continues at the first packet that is left",
            ("reader", .text(reader)), ("position", .unsigned(sequence)),
            ("first", .unsigned(first)))
    }

    /// Reports that the tape lacks ordinals of a source. What was purged before a reader that was
    /// let go is not lost: other groups have read it.
    static func tapeHole(
        reader: String, source: String, ordinals: ClosedRange<UInt64>, isLetGo: Bool
    ) -> Self {
        Self(
            isLetGo ? .warning : .error, "tape.hole",
            isLetGo
                ? "ordinals were purged before this group had read them"
                : "ordinals are missing on the tape itself",
            ("reader", .text(reader)), ("source", .text(source)),
            ("first", .unsigned(ordinals.lowerBound)), ("last", .unsigned(ordinals.upperBound))
        ) {
            // The store counts it as a gap.
            guard !isLetGo else { return }
            $0.counter(
                "mds_tape_missing_ticks_total", "an ordinal that the tape itself does not hold",
                "find out how it was purged or lost"
            ).add(ordinals.ordinalCount)
        }
    }

    /// Reports that a reader stopped and waits for a person.
    static func readerStopped(reader: String, problem: ReaderProblem) -> Self {
        Self(
            .error, "tape.reader.stopped", "a reader stopped: \(problem)",
            ("reader", .text(reader))
        ).counting(
            "mds_tape_readers_stopped_total", "a reader that stopped",
            "as `mds_tape_stopped_readers`")
    }

    /// Reports that a request failed, which will be repeated.
    static func tapeCallFailed(reason: String) -> Self {
        Self(
            .warning, "tape.call.failed", "a request to JetStream failed; it will be repeated",
            ("reason", .text(reason))
        ).counting(
            "mds_tape_call_failures_total", "a request to JetStream that failed and is repeated",
            "often: check the server")
    }
}

extension ClosedRange<UInt64> {
    /// The number of ordinals. They come from outside, and `count` would trap on more than an `Int`
    /// holds.
    fileprivate var ordinalCount: UInt64 {
        let (sum, overflow) = (upperBound - lowerBound).addingReportingOverflow(1)
        return overflow ? UInt64.max : sum
    }
}

extension ServiceEvent {
    /// The connection is closed permanently, and libnats does not reconnect. The service reports it
    /// before it ends.
    package static func connectionGone(reason: String) -> Self {
        Self(
            .error, "nats.connection.gone",
            "the connection to NATS is closed for good; this process ends",
            ("reason", .text(reason)))
    }
}
