package import Primitives

/// How far a server's clock differs from this machine's, as one question and its answer show.
package struct ClockOffset: Equatable, Sendable {
    /// Positive: the server's clock is ahead.
    package let seconds: Double
    /// The answer may have been given at any moment of the call, so the offset is known only this
    /// well.
    package let uncertainty: Double

    package init(asked: Timestamp, answered: Timestamp, theirs: Timestamp) {
        let span = Double(max(0, answered.nanoseconds(since: asked))) / 1e9
        seconds = Double(theirs.nanoseconds(since: asked)) / 1e9 - span / 2
        uncertainty = span / 2
    }

    /// `microseconds` are the server's time since 1970. Fails if they are no time of ours.
    package init?(asked: Timestamp, answered: Timestamp, microseconds: Int64) {
        let (nanoseconds, overflow) = microseconds.multipliedReportingOverflow(by: 1_000)
        guard !overflow else { return nil }
        self.init(
            asked: asked, answered: answered, theirs: Timestamp(nanoseconds: nanoseconds))
    }

    /// From here on, bars of a source whose gateway runs on this machine are visibly late or early.
    package static let warningSeconds = 0.5
    package static let wrongSeconds = 5.0

    /// What of the difference cannot come from the length of the call.
    package var certain: Double { max(0, abs(seconds) - uncertainty) }

    /// Returns how the clock of `server` differs, as a sentence. `nil` if the two agree.
    package func difference(of server: String) -> String? {
        guard certain >= Self.warningSeconds else { return nil }
        let size = certain < 120 ? "\((certain * 10).rounded() / 10) s" : SpanText.of(certain)
        let direction = seconds > 0 ? "ahead of" : "behind"
        return "the clock of \(server) is \(size) \(direction) this machine's"
    }
}
