import DeploymentWatch
import MarketModel
import Membership
import MembershipTransport
import Primitives
import TapeTransport

// The screen, in lines of at most 80 columns, in the order and with the words of the cockpit's
// overview.
extension WatchView {
    var lines: [String] { head + [""] + body(.all) }

    /// What is looked at, and whether all is good.
    var head: [String] {
        let left = "tapeline watch  \(title)"
        let right = sample.now.short
        let heading =
            left.prefix(80 - right.count - 1).description.padded(to: 80 - right.count) + right
        return [heading] + verdict.flatMap(\.rows)
    }

    /// What is below it.
    func body(_ page: WatchPage) -> [String] {
        switch page {
        case .all: allLines
        case .way: sourceLines + [""] + groupLines
        case .processes: table.lines
        case .services: serviceLines(ofWidth: .max)
        case .tape: streamLines + [""] + partitionLines
        case .gaps: gapLines
        }
    }

    private var allLines: [String] {
        let services = sample.around.processes.isEmpty ? [] : [""] + serviceLines(ofWidth: 40)
        let parts = [
            wayLines, [""], numberLines, [""], processLines, services, [""], streamLines, notes,
        ]
        return parts.flatMap { $0 }
    }

    private static func cut(_ text: String, _ width: Int) -> String {
        text.count > width ? "\(text.prefix(width - 1))…" : text
    }

    // MARK: the way of a tick

    private static let wayColumns = FixedColumns(24, 26, -16, -10)

    private var wayLines: [String] {
        var lines = [Self.wayColumns.line("THE WAY OF A TICK", "STATE", "RATE", "BEHIND")]
        lines += steps.map(Self.row)
        if sources.isEmpty { lines.append("  nothing stands on the tape yet") }
        lines += sources.filter(\.isDelayed).map { "  \($0.name): \(ProviderView.delayed)" }
        return lines
    }

    private static func row(_ step: WatchStep) -> String {
        let rate = step.rate.map { "\(RateText.of($0)) \(step.unit)" }
        let behind = step.seconds.map { SpanText.short($0) }
        return wayColumns.line(
            cut(step.name, 24), cut("\(step.look.state.sign) \(step.look.words)", 26), rate ?? "-",
            behind ?? step.records.map { CountText.of($0) } ?? "-")
    }

    private static let sourceColumns = FixedColumns(24, -11, -13, -6, -9, -5, -5)
    private static let groupColumns = FixedColumns(24, -14, -14, -6, 0)

    private var sourceLines: [String] {
        let head = Self.sourceColumns.line(
            "SOURCE", "PER SECOND", "ON THE TAPE", "EPOCH", "WATERMARK", "PARTS", "GAPS")
        return [head]
            + (sources + [bars, universe].compactMap { $0 }).map { source in
                Self.sourceColumns.line(
                    source.name, source.perSecond.map { RateText.of($0) } ?? "-",
                    "\(source.ordinals)", "\(source.epoch)",
                    source.watermark.age(at: sample.now),
                    source.partitions == 0 ? "all" : "\(source.partitions)",
                    source.gaps.map { "\($0)" } ?? "-")
            }
    }

    private var groupLines: [String] {
        let head = Self.groupColumns.line("GROUP", "TICKS BEHIND", "BARS BEHIND", "READY", " OWNED")
        guard !groups.isEmpty else { return [head, "  nobody was heard"] }
        return [head]
            + groups.map { group in
                Self.groupColumns.line(
                    MembersTable.cut(group.name),
                    Self.lag(group.ticks, sources.compactMap(\.perSecond)),
                    Self.lag(group.bars, [bars?.perSecond].compactMap { $0 }),
                    "\(group.ready)/\(group.members)",
                    " \(group.owned)" + (group.silent > 0 ? ", \(group.silent) silent" : ""))
            }
    }

    /// Returns the ordinals, and about how long they took to come at the present rates.
    private static func lag(_ lag: WatchPositions.Lag?, _ rates: [Double]) -> String {
        guard let lag else { return "-" }
        let rate = rates.reduce(0, +)
        let age =
            lag.ordinals > 0 && rate > 0
            ? " ~\(SpanText.short(Double(lag.ordinals) / rate))" : ""
        // Partitions whose lag was not reported show as "?".
        return "\(lag.ordinals)\(age)" + (lag.unheard > 0 ? " + ?" : "")
    }

    // MARK: numbers

    private static let numberColumns = FixedColumns(18, -19, 1, 18, -19)

    private var numberLines: [String] {
        func behind(_ steps: [WatchStep]) -> String? {
            // A number of some of them says too little.
            let known = steps.filter { ![.dead, .unknown].contains($0.look.state) }
            guard known.count == steps.count,
                let last = known.max(by: { ($0.records ?? 0) < ($1.records ?? 0) }),
                let records = last.records
            else { return nil }
            let count = CountText.of(records)
            return last.seconds.map { "\(SpanText.short($0)) (\(count))" } ?? count
        }
        let rates = sources.compactMap(\.perSecond)
        let stores = sample.needed.filter(\.isStore).map(\.text)
        let ready = sample.members.count { $0.heartbeat.state == .ready }
        let free = sample.streams.compactMap(\.room?.percent).min()
        let numbers: [(String, String?)] = [
            (FigureName.ticks, rates.isEmpty ? nil : RateText.of(rates.reduce(0, +))),
            (FigureName.bars, bars?.perSecond.map { RateText.of($0) }),
            (FigureName.operators, behind(steps.filter { $0.name == GroupName.operators.text })),
            (FigureName.writers, behind(steps.filter { stores.contains($0.name) })),
            (FigureName.commit, sample.around.writtenSeconds.map { "\(SpanText.short($0)) old" }),
            (FigureName.room, free.map { "\($0) % free" }),
            (FigureName.gaps, sample.around.openGaps.map { CountText.of($0) }),
            (FigureName.ready, "\(ready) of \(sample.members.count)"),
        ]
        return [isOld ? "NUMBERS, as they were last" : "NUMBERS"]
            + stride(from: 0, to: numbers.count, by: 2).map { place in
                let (left, right) = (numbers[place], numbers[place + 1])
                return Self.numberColumns.line(
                    left.0, left.1 ?? "not known", "", right.0, right.1 ?? "not known")
            }
    }

    // MARK: processes and services

    private static let processColumns = FixedColumns(24, 24, 11, 0)

    private var processLines: [String] {
        var lines = [Self.processColumns.line("PROCESS", "GROUP", "STATE", "PARTITIONS")]
        if sample.members.isEmpty { lines.append("  nobody was heard") }
        for member in sample.members {
            let isReady = member.heartbeat.state == .ready
            let sign = isOld ? StepState.unknown.sign : isReady ? "●" : "◌"
            let held = NumberRanges.text(member.heartbeat.held.map(\.number))
            lines.append(
                Self.processColumns.line(
                    MembersTable.cut(member.heartbeat.member.text),
                    MembersTable.cut(member.group.text),
                    "\(sign) \(member.heartbeat.state.rawValue)",
                    held.isEmpty ? "-" : Self.cut(held, 18)))
        }
        return lines
    }

    private static let serviceColumns = FixedColumns(24, 12, 0)

    private func serviceLines(ofWidth width: Int) -> [String] {
        let processes = sample.around.processes
        var lines = [Self.serviceColumns.line("SERVICE", "STATE", "WHAT IT SAYS")]
        if processes.isEmpty { lines.append("  known on a local stack only") }
        for process in processes {
            let trouble = process.silence ?? process.unready
            let words = isOld ? Self.notNow.words : trouble ?? process.degraded
            let state =
                isOld
                ? "? not known"
                : trouble != nil ? "✕ not ready" : words == nil ? "● ready" : "! degraded"
            lines.append(
                Self.serviceColumns.line(
                    MembersTable.cut(process.name), state,
                    Self.cut(WatchVerdict.line(words ?? "-"), width)))
        }
        return lines
    }

    // MARK: the tape

    private static let streamColumns = FixedColumns(24, -14, -14, -6)
    private static let partitionColumns = FixedColumns(10, 24, -16, -8, -12)

    private var streamLines: [String] {
        let head = Self.streamColumns.line("STREAM", "USED", "OF", "FREE")
        return [head]
            + sample.streams.map { stream in
                let room = stream.room
                let line = Self.streamColumns.line(
                    stream.name, TapeReport.bytes(stream.bytes),
                    stream.limit.map { TapeReport.bytes($0) } ?? "no limit",
                    room.map { "\($0.percent) %" } ?? "-")
                return (room?.percent ?? 100) < HeadroomLevel.lowPercent ? "\(line)  low" : line
            }
    }

    private var partitionLines: [String] {
        [Self.partitionColumns.line("PARTITION", "SOURCE", "ON THE TAPE", "EPOCH", "WATERMARK")]
            + sample.ticks.map { head in
                Self.partitionColumns.line(
                    "\(head.partition.number)", head.source.text, "\(head.lastOrdinal)",
                    "\(head.epoch)", head.watermark.age(at: sample.now))
            }
    }

    // MARK: gaps

    private var gapLines: [String] {
        let open = sample.around.openGaps.map { CountText.of($0) } ?? "not known"
        var lines = ["\(FigureName.gaps): \(open)"]
        if let lost = sample.around.lost { lines.append(LostTicks.line(lost)) }
        for source in sources {
            let count = source.gaps.map { CountText.of($0) } ?? "?"
            lines.append("  \(source.name): \(count) on record")
        }
        return lines + ["'tapeline gaps' lists them"] + notes
    }

    private var notes: [String] {
        sample.gapsAbsence.isEmpty
            ? [] : ["", "gaps are unknown: \(sample.gapsAbsence)".prefix(80).description]
    }
}
