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
    let table: MembersTable
    /// Whether a later look has failed: then nothing here is known to be alive now.
    var isOld = false
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
}
