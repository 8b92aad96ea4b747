import DeploymentWatch
import MarketModel
import Membership
import MembershipTransport
import Primitives
import TapeTransport

/// Interprets a sample by comparison with the previous one. Pure.
struct WatchView: Sendable {
    struct Source: Equatable, Sendable {
        var name: String
        var partitions = 0
        var ordinals: UInt64 = 0
        var epoch: UInt64 = 0
        /// The lowest watermark of its partitions.
        var watermark = Timestamp.undefined
        /// `nil` if there was no earlier sample.
        var perSecond: Double?
        /// `nil` if not known.
        var gaps: UInt64?

        /// Its data come delayed, beside those of another source.
        var isDelayed: Bool { SourceName(name)?.isDelayed ?? false }
    }

    struct Group: Equatable, Sendable {
        var name: String
        var ticks: WatchPositions.Lag?
        var bars: WatchPositions.Lag?
        var ready = 0
        var members = 0
        var owned = 0
        /// Partitions without a live owner: see `MembersTable.withoutOwner`.
        var silent = 0
    }

    let title: String
    let sample: WatchSample
    let sources: [Source]
    /// Bars of all partitions. `nil` if there are none.
    let bars: Source?
    /// The data derived over all partitions. `nil` if there are none.
    let universe: Source?
    let groups: [Group]
    private let table: MembersTable
    /// What the looks so far say, the worst first. Empty before it was judged.
    var verdict: [WatchVerdict.Line] = []

    init(title: String, _ sample: WatchSample, before: WatchSample?) {
        self.title = title
        self.sample = sample
        let seconds = before.map { Double(sample.readAt - $0.readAt) / 1e9 }
        let names = Set(sample.ticks.map(\.source)).sorted()
        sources = names.map { name in
            var source = Self.source(
                name.text, sample.ticks.filter { $0.source == name },
                before?.ticks.filter { $0.source == name }, seconds)
            source.gaps = sample.gaps.map { $0[name.text] ?? 0 }
            return source
        }
        bars =
            sample.bars.isEmpty
            ? nil : Self.source("bars", sample.bars, before?.bars, seconds)
        universe = sample.universe.map { head in
            var source = Self.source(
                "universe", [head], before.map { $0.universe.map { [$0] } ?? [] }, seconds)
            source.partitions = 0
            return source
        }
        let table = MembersTable(members: sample.members, owners: sample.owners)
        self.table = table
        groups = Self.groups(sample, table)
    }

    private static func source(
        _ name: String, _ heads: [TapeReport.Head], _ before: [TapeReport.Head]?,
        _ seconds: Double?
    ) -> Source {
        var source = Source(name: name)
        source.partitions = heads.count
        source.ordinals = heads.reduce(0) { $0 &+ $1.lastOrdinal }
        source.epoch = heads.map(\.epoch).max() ?? 0
        source.watermark = heads.map(\.watermark).min() ?? .undefined
        if let before, let seconds, seconds > 0 {
            let old = before.reduce(0) { $0 &+ $1.lastOrdinal }
            source.perSecond =
                source.ordinals > old ? Double(source.ordinals - old) / seconds : 0
        }
        return source
    }

    private static func groups(_ sample: WatchSample, _ table: MembersTable) -> [Group] {
        let names = Set(table.groups.map(\.text)).union(sample.positions.groups.keys).sorted()
        return names.map { name in
            var group = Group(name: name)
            group.ticks = sample.positions.lag(name, "ticks", behind: sample.ticks)
            group.bars = sample.positions.lag(
                name, "bars", behind: sample.bars + (sample.universe.map { [$0] } ?? []))
            let members = sample.members.filter { $0.group.text == name }
            group.members = members.count
            group.ready = members.count { $0.heartbeat.state == .ready }
            guard let known = GroupName(name) else { return group }
            for share in table.shares(of: known) where share.state == .held {
                group.owned += share.partitions.count
            }
            group.silent = table.withoutOwner(known, of: sample.partitions).count
            return group
        }
    }

    // MARK: text

    /// The screen as lines of at most 80 columns.
    var lines: [String] {
        [heading] + verdict.flatMap(\.rows) + [""] + sourceLines + [""] + groupLines + [""]
            + streamLines + notes
    }

    private var heading: String {
        let left = "tapeline watch  \(title)"
        let right = sample.now.short
        return left.prefix(80 - right.count - 1).description
            .padded(to: 80 - right.count) + right
    }

    private static let sourceColumns = FixedColumns(24, -11, -13, -6, -9, -5, -5)
    private static let groupColumns = FixedColumns(24, -14, -14, -6, 0)
    private static let streamColumns = FixedColumns(24, -14, -14, -6)

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
            } + (sources.isEmpty ? ["  nothing stands on the tape yet"] : [])
            + sources.filter(\.isDelayed).map { "  \($0.name): \(ProviderView.delayed)" }
    }

    private var groupLines: [String] {
        let head = Self.groupColumns.line("GROUP", "TICKS BEHIND", "BARS BEHIND", "READY", " OWNED")
        guard !groups.isEmpty else { return [head, "  nobody was heard"] }
        return [head]
            + groups.flatMap { group in
                [
                    Self.groupColumns.line(
                        MembersTable.cut(group.name),
                        Self.lag(group.ticks, sources.compactMap(\.perSecond)),
                        Self.lag(group.bars, [bars?.perSecond].compactMap { $0 }),
                        "\(group.ready)/\(group.members)",
                        " \(group.owned)"
                            + (group.silent > 0 ? ", \(group.silent) silent" : ""))
                ] + memberLines(of: group.name)
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

    private func memberLines(of group: String) -> [String] {
        sample.members.filter { $0.group.text == group }.map { member in
            let held = NumberRanges.text(member.heartbeat.held.map(\.number))
            let shown = held.count > 38 ? "\(held.prefix(37))…" : held
            return "  \(MembersTable.cut(member.heartbeat.member.text).padded(to: 28)) "
                + "\(member.heartbeat.state.rawValue.padded(to: 8)) \(shown.isEmpty ? "-" : shown)"
        }
    }

    private var streamLines: [String] {
        let head = Self.streamColumns.line("STREAM", "BYTES", "OF", "FREE")
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

    private var notes: [String] {
        sample.gapsAbsence.isEmpty
            ? [] : ["", "gaps are unknown: \(sample.gapsAbsence)".prefix(80).description]
    }
}
