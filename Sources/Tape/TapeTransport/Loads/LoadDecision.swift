package import MarketModel
package import Primitives

/// What is done about a wanted load, by what was loaded into its source before. Pure.
///
/// A source has one watermark, and its bars close as that passes. Ticks of an earlier time would
/// come too late for every bar, so a source is loaded only forward in time.
package enum LoadDecision: Equatable, Sendable {
    case begin
    /// It was begun and is not done.
    case resume
    /// The text is one sentence: why, and what to do instead.
    case refused(String)

    /// `wanted` is a new range that has not been noted.
    package init(on wanted: LoadRange, among loads: SourceLoads, of source: SourceName) {
        if let same = loads.ranges.first(where: { $0.isSame(as: wanted) }) {
            self = Self.again(same, source)
        } else if let running = loads.ranges.first(where: { $0.state == .running }) {
            self = .refused(
                "source \(source) is being loaded with \(Self.words(running)), begun by "
                    + "\(running.requester) at \(LoadRange.shown(running.time)): finish "
                    + "that first, by the same command")
        } else if let other = loads.ranges.first(where: { $0.bars != wanted.bars }) {
            self = .refused(
                "source \(source) has \(other.what), and a source has one kind of data: load the "
                    + "\(wanted.what) as a source of their own: "
                    + "--source \(Self.free(after: source))")
        } else if let last = loads.ranges.map(\.to).max(), wanted.from < last {
            let end = LoadRange.shown(last)
            let other = loads.ranges.first { Self.overlap($0, wanted) }
            let reason =
                other.map {
                    "has \(Self.words($0)) already, and \(wanted.what) would be there twice"
                }
                ?? "is loaded up to \(end), and bars of an earlier time would never come"
            self = .refused(
                "source \(source) \(reason): begin at \(end), or \(Self.advice(source))")
        } else if loads.ranges.count >= SourceLoads.rangesMax {
            self = .refused(
                "source \(source) has \(SourceLoads.rangesMax) ranges, which is the most: "
                    + Self.advice(source))
        } else {
            self = .begin
        }
    }

    private static func again(_ same: LoadRange, _ source: SourceName) -> LoadDecision {
        switch same.state {
        case .running: .resume
        case .done:
            .refused(
                "source \(source) has \(words(same)) since \(LoadRange.shown(same.time)): there "
                    + "is nothing to do; for a second copy \(advice(source))")
        }
    }

    private static func overlap(_ left: LoadRange, _ right: LoadRange) -> Bool {
        left.from < right.to && right.from < left.to
            && !Set(left.symbols).isDisjoint(with: right.symbols)
    }

    private static let shownMax = 5

    private static func words(_ range: LoadRange) -> String {
        let shown = range.symbols.prefix(shownMax).map(\.text).joined(separator: ", ")
        let rest = range.symbols.count - shownMax
        return shown + (rest > 0 ? " and \(rest) more" : "")
            + " from \(LoadRange.shown(range.from)) to \(LoadRange.shown(range.to))"
    }

    /// Decides about a load that is to begin by the watermark of its source on the tape; undefined:
    /// it has none. What is older than that would be left out.
    package init(on wanted: LoadRange, reached: Timestamp, of source: SourceName) {
        guard reached.isDefined, reached > wanted.from else {
            self = .begin
            return
        }
        let end = LoadRange.shown(reached)
        self = .refused(
            "source \(source) has reached \(end) on the tape by a load that is not noted, and "
                + "what is older would be left out: begin at \(end), or \(Self.advice(source))")
    }

    private static func advice(_ source: SourceName) -> String {
        "load it as a source of its own: --source \(free(after: source))"
    }

    private static func free(after source: SourceName) -> String {
        next(after: source)?.text ?? "NAME"
    }

    /// Returns the next name of a source of the same past: `a-history-2` for `a-history`. `nil`
    /// when it would be too long.
    static func next(after source: SourceName) -> SourceName? {
        let text = source.text
        guard let dash = text.lastIndex(of: "-"), let number = Int(text[text.index(after: dash)...])
        else { return SourceName("\(text)-2") }
        let (next, overflow) = number.addingReportingOverflow(1)
        return overflow ? nil : SourceName("\(text[...dash])\(next)")
    }
}
