import MarketModel
import Primitives
import ServiceRuntime
import StoredBars
import StreamCore

/// Everything that is known of one bar.
struct ExplainReport {
    /// What a proof says of the bar, from the tape or from the tables.
    enum Outcome: Equatable, Sendable {
        /// It was not made from there.
        case notAsked
        /// The tape does not hold the time of the bar any more.
        case notThere
        case equal
        /// The bar is not stored, and none should be yet.
        case nothing
        case differs(ProofDifference.Kind, [ProofDifference.Field])

        var isWrong: Bool {
            if case .differs = self { true } else { false }
        }
    }

    /// What the tape says beside the ticks.
    struct TapeSays {
        /// The beginnings of the feed within the bar, in order of time.
        var feedStarts: [FeedStart] = []
        /// How the rows of gaps disagree with the records on the tape.
        var gapFaults: [String] = []
    }

    let bar: ExplainedBar
    let stored: StoredBar?
    let row: BarRow?
    let partition: Partition
    var tape = Outcome.notAsked
    var tables = Outcome.notAsked
    var ticks: [ExplainedTick] = []
    /// Whether the rows of its ticks may still be on their way. Then they are not compared.
    var isTooNew = false
    /// Ticks of the window that their table has and the tape has not.
    var onlyInTables: [ProofTick] = []
    var versions: [BarVersion] = []
    /// Whether the tape of bars has another record under the ordinal of the stored version.
    var isRevisionWrong = false
    var gaps: [WindowGap] = []
    var tapeSays = TapeSays()
    var field = InputField.trade
    /// For a bar of bars: the series of which it is made, the finest one last.
    var isMadeOf: [String] = []

    /// The most ticks in the text, and the most that only the tables have.
    static let ticksShownMax = 40

    /// Whether the ticks are those of the tape, and not those of the tables.
    var isOnTape: Bool { tape != .notAsked && tape != .notThere }

    /// Whether neither the tape nor the stored ticks could prove anything.
    private var isUnproven: Bool { tape == .notAsked && tables == .notAsked }

    func outcome(of comparison: ProofComparison) -> Outcome {
        if let difference = comparison.differences.first(where: { $0.key == bar.key }) {
            return .differs(difference.kind, difference.fields)
        }
        return stored == nil ? .nothing : .equal
    }

    /// 0: the stored bar is what its ticks make. 1: it is not, or a tick's row is not what the tape
    /// says. 2: the tape does not reach back so far, and the stored ticks make the bar; or nothing
    /// was proven.
    var exitCode: ExitCode {
        let isWrong =
            tape.isWrong || tables.isWrong || isRevisionWrong || !tapeSays.gapFaults.isEmpty
            || !onlyInTables.isEmpty
            || ticks.contains { $0.disagreement != nil }
        if isWrong { return .failure }
        return isUnproven || tape == .notThere || tape == .nothing || tables == .nothing
            ? .incomplete : .success
    }

    // MARK: text

    private static func shownTime(_ time: Int64) -> String { "\(Timestamp(nanoseconds: time))" }

    var lines: [String] { lines(ticksMax: Self.ticksShownMax) }

    /// Returns the text with so many ticks; `nil`: with all.
    func lines(ticksMax: Int?) -> [String] {
        heading + versionLines + tickLines(ticksMax) + gapLines + proofLines
    }

    private var heading: [String] {
        let key = bar.key
        let place = key.number == 0 ? "" : " #\(key.number)"
        var lines = [
            "\(key.symbol.symbol) \(key.series)\(place) of \(key.symbol.source), "
                + "\(Self.shownTime(key.openTime)) to \(Self.shownTime(bar.closeTime))"
        ]
        if bar.others > 0 {
            lines.append("  \(bar.others) more bars of the series hold that time")
        }
        guard let stored = stored?.bar, let row else {
            return lines + ["  no such bar is stored"]
        }
        lines.append(
            "  open \(stored.open)  high \(stored.high)  low \(stored.low)  close \(stored.close)")
        lines.append(
            "  volume \(FixedPoint.text(stored.volume, decimals: Quantity.decimals))  "
                + "vwap \(stored.vwap)  trades \(stored.trades)")
        let excluded = BarMarks.leftOut(stored.excluded)
        if !excluded.isEmpty { lines.append("  left out: \(excluded.joined(separator: ", "))") }
        if !isMadeOf.isEmpty {
            lines.append("  made of bars: \(isMadeOf.joined(separator: " of "))")
        }
        let marks = BarMarks(
            isPartial: stored.flags.contains(.partial),
            isMixed: stored.flags.contains(.mixedProviders), isFilled: row.isFilled,
            isWithdrawn: row.standing.isWithdrawn
        ).texts(partialAs: partialCause)
        if !marks.isEmpty { lines.append("  \(marks.joined(separator: "; "))") }
        lines.append(
            "  partition \(partition), generation \(row.generation), output ordinal "
                + "\(row.standing.revision), \(row.replaced) earlier versions")
        return lines
    }

    /// Why the bar is partial where no gap touches it: its feed began within it.
    var partialCause: String? {
        gaps.isEmpty ? tapeSays.feedStarts.first?.sentence : nil
    }

    /// How many of the bar's first versions are kept nowhere any more.
    private var missingVersions: Int64 {
        max(0, (row?.replaced ?? 0) + 1 - Int64(versions.count))
    }

    /// The versions with their numbers, from 1 for the bar's first one.
    var numberedVersions: [(number: Int64, version: BarVersion)] {
        versions.enumerated().map { index, version in
            (missingVersions + Int64(index) + 1, version)
        }
    }

    private var versionLines: [String] {
        guard !versions.isEmpty else { return ["", "VERSIONS: none is known"] }
        let missing = missingVersions
        let rows = numberedVersions.map { cells($0.version, number: $0.number) }
        let head = [
            "VERSION", "REASON", "TRADES", "CLOSE", "PUBLISHED", "AFTER ITS END", "EPOCH",
            "PACKET", "ORDINAL",
        ]
        let table = TextTable.lines([head] + rows, numbers: [0, 2, 5, 6, 7, 8])
        let remark =
            missing > 0 && row != nil
            ? ["  \(missing) earlier versions are kept nowhere any more"] : []
        let wrong =
            isRevisionWrong
            ? ["  the ordinal of the stored version is another record's on the tape of bars"] : []
        return [""] + table + remark + wrong
    }

    private func cells(_ version: BarVersion, number: Int64) -> [String] {
        let price = version.isWithdrawn ? "withdrawn" : "\(version.values.close)"
        var cells = ["\(number)", version.reason, "\(version.values.trades)", price]
        cells += [
            version.known.map { "\($0)" } ?? "not known",
            version.delay(after: Timestamp(nanoseconds: bar.closeTime)) ?? "-",
        ]
        cells.append(version.epoch.map { "\($0)" } ?? "-")
        cells.append(version.sequence.map { "\($0)" } ?? "-")
        return cells + ["\(version.revision)"]
    }

    private func tickLines(_ ticksMax: Int?) -> [String] {
        let count = ticks.count { $0.verdict.isIn }
        let from = isOnTape ? "the tape" : "the stored ticks, because \(notOnTape)"
        let title = "TICKS of its window: \(count) in, \(ticks.count - count) out, from \(from)"
        guard !ticks.isEmpty || !onlyInTables.isEmpty else { return ["", title] }
        let head = ["TIME", "PRICE", "SIZE", "TICK", "PACKET", "WHAT IT DID"]
        let shown = shownTicks(ticksMax)
        let onlyShown = onlyInTables.prefix(ticksMax ?? .max)
        let rows = shown.map { tick in
            let (price, size) = tick.tick.shown(field)
            let what = [tick.verdict.sentence] + tick.roles.map(\.rawValue) + tick.remarks
            return [
                Self.shownTime(tick.tick.time), price, size, address(tick.tick),
                tick.packet.map { "\($0.sequence)" } ?? "-", what.joined(separator: ", "),
            ]
        }
        let others = onlyShown.map { tick in
            let (price, size) = tick.shown(field)
            return [
                Self.shownTime(tick.time), price, size, address(tick), "-",
                "only its table has it: the tape has no such tick in the window",
            ]
        }
        let hidden = ticks.count - shown.count + onlyInTables.count - onlyShown.count
        return ["", title] + TextTable.lines([head] + rows + others, numbers: [1, 2, 4])
            + (hidden > 0 ? ["  and \(hidden) more: --all shows them"] : [])
    }

    /// The ticks of the text, in the order of time. Where there are too many, those that set a
    /// price or disagree with their rows come first, then those that are out, then the others.
    private func shownTicks(_ ticksMax: Int?) -> [ExplainedTick] {
        guard let ticksMax, ticks.count > ticksMax else { return ticks }
        func rank(_ tick: ExplainedTick) -> Int {
            if tick.disagreement != nil || !tick.roles.isEmpty { return 0 }
            return tick.verdict.isIn && tick.remarks.isEmpty ? 2 : 1
        }
        let ranks = ticks.map(rank)
        return ticks.indices.sorted { (ranks[$0], $0) < (ranks[$1], $1) }
            .prefix(ticksMax).sorted().map { ticks[$0] }
    }

    private var notOnTape: String {
        tape == .notAsked ? "--table-only says so" : "the tape does not reach back so far"
    }

    func address(_ tick: ProofTick) -> String { "\(tick.source)/\(partition)/\(tick.ordinal)" }

    private var gapLines: [String] {
        let faults = (tapeSays.feedStarts.map(\.sentence) + tapeSays.gapFaults).map { "  \($0)" }
        guard !gaps.isEmpty else {
            return ["", "GAPS: none is recorded about its window"] + faults
        }
        let head = ["GAP", "STATE", "REASON", "FROM", "TO", "SOURCE", "RECORDED"]
        let rows = gaps.map { gap in
            [gap.kind, gap.state, gap.reason, gap.from, gap.to, gap.source, gap.noted]
        }
        return [""] + TextTable.lines([head] + rows) + faults
    }

    private var proofLines: [String] {
        let sides: [(String, Outcome)] = [("the tape", tape), ("the stored ticks", tables)]
        let told = sides.flatMap { from, outcome -> [String] in
            switch outcome {
            case .notAsked: []
            case .notThere: ["\(from): it does not reach back so far"]
            case .equal: ["\(from): the stored bar is equal"]
            case .nothing: ["\(from): no bar is stored, and none has to be"]
            case .differs(let kind, let fields):
                ["\(from): the stored bar is \(kind.rawValue)"]
                    + fields.map {
                        "  \($0.name): stored \($0.stored), computed \($0.computed)"
                    }
            }
        }
        let none = isUnproven ? ["no proof: the stored ticks do not state lots"] : []
        let new =
            isOnTape && isTooNew
            ? ["the rows of its ticks are not compared: they may be on their way"] : []
        return ["", "PROOF by the same operators"] + (told + none + new).map { "  \($0)" }
    }
}
