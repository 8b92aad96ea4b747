import DeploymentWatch
import Primitives
import TestSupport

@testable import Cockpit
@testable import CockpitTests

/// A deployment of two sources, three operators and two writers, as it would be seen in one second
/// after another. All numbers follow from a seed.
struct MadeDeployment {
    static let partitions = 16
    /// The wall clock at the first look.
    static let begun = Timestamp(nanoseconds: 1_772_461_200_000_000_000)
    private static let operators = ["worker-a", "worker-b", "worker-c"]
    private static let writers = ["writer-a", "writer-b"]

    let fault: PlantedFault?
    var isBrokerAway: Bool { fault?.isBrokerAway ?? false }
    private var isOperatorGone: Bool { fault?.isOperatorGone ?? false }
    /// Ticks per second of each partition.
    private let rates: [UInt64]

    init(seed: UInt64, fault: PlantedFault? = nil) {
        self.fault = fault
        var random = SeededRandom(seed: seed)
        rates = (0..<Self.partitions).map { partition in
            partition == 5 ? 640 : UInt64.random(in: 60...180, using: &random)
        }
    }

    static func wall(_ seconds: Double) -> Timestamp {
        Timestamp(nanoseconds: begun.nanoseconds + Int64(seconds * 1e9))
    }

    func sighting(_ seconds: Double) throws -> Sighting {
        var sighting = MadeSighting.well(seconds)
        sighting.partitions = Self.partitions
        sighting.sources = [
            source("binance", seconds, share: 0.7, silent: 0),
            source("ib", seconds, share: 0.3, silent: isBrokerAway ? 94 : 0),
        ]
        let total = rates.reduce(0, +)
        sighting.bars = Sighting.Head(
            name: "bars", gateways: "operator", ordinals: UInt64(seconds * 131),
            reportedAt: MadeSighting.time(seconds - 0.4),
            changedAt: MadeSighting.time(seconds - 0.6))
        sighting.members = members(seconds)
        sighting.groups = ["operator", "store"].map { name in
            let waits = isOperatorGone && name == "operator"
            let lag = Sighting.Lag(records: waits ? 39_412 : 0, seconds: waits ? 12.4 : 0)
            return Sighting.Group(
                name: name, reportedAt: MadeSighting.time(seconds - 0.3), ticks: lag,
                bars: name == "store" ? Sighting.Lag(records: 0, seconds: 0) : nil)
        }
        sighting.streams = MadeSighting.known(
            (0..<4).map {
                Sighting.Stream(
                    name: "MD_TICKS_\($0)", bytes: 2_400_000_000 + UInt64($0) * 81_000_000,
                    limit: 8_589_934_592)
            } + [Sighting.Stream(name: "MD_BARS", bytes: 310_000_000, limit: 2_147_483_648)],
            at: seconds - 0.5)
        sighting.database = MadeSighting.known(.init(writtenSeconds: 0.2), at: seconds - 0.4)
        sighting.gaps = MadeSighting.known(gaps, at: seconds - 0.5)
        sighting.services = MadeSighting.known(
            try services(seconds, ticks: UInt64(seconds) * total), at: seconds - 0.5)
        sighting.shares = shares(seconds)
        fault?.plant(into: &sighting, at: seconds)
        return sighting
    }

    private func source(
        _ name: String, _ seconds: Double, share: Double, silent: Double
    ) -> Sighting.Head {
        let total = Double(rates.reduce(0, +)) * share
        let last = min(seconds, Double(PictureSite.seconds) - silent)
        return Sighting.Head(
            name: name, gateways: "source-\(name)", ordinals: UInt64(total * last),
            reportedAt: MadeSighting.time(seconds - 0.3),
            changedAt: MadeSighting.time(last - 0.4))
    }

    // MARK: processes

    private func held(_ names: [String]) -> [(name: String, partitions: [Int])] {
        names.enumerated().map { index, name in
            (name, (0..<Self.partitions).filter { $0 % names.count == index })
        }
    }

    /// The operators that are there: with a fault the last one is gone.
    private var living: [String] {
        isOperatorGone ? Self.operators.dropLast() : Self.operators
    }

    private func members(_ seconds: Double) -> [Sighting.Member] {
        let groups = [("operator", living), ("store", Self.writers)]
        let workers = groups.flatMap { group, names in
            held(names).map { name, partitions in
                MadeSighting.member(group, name, held: partitions, at: seconds - 0.1)
            }
        }
        let gateways = ["binance", "ib"].map {
            MadeSighting.member("source-\($0)", "gateway-\($0)", held: [0], at: seconds - 0.2)
        }
        return workers + gateways
    }

    private func shares(_ seconds: Double) -> PartitionShares {
        var shares = PartitionShares()
        let reported = MadeSighting.time(seconds - 0.3)
        for (partition, rate) in rates.enumerated() {
            shares.ticks[partition] = .init(
                ordinals: UInt64(seconds * Double(rate)), reportedAt: reported)
            let waits = isOperatorGone && partition % Self.operators.count == 2
            let records = waits ? rate * 12 : 0
            shares.lags["operator", default: [:]][partition] = .init(
                records: records, seconds: waits ? 12.1 : 0, reportedAt: reported)
            shares.lags["store", default: [:]][partition] = .init(reportedAt: reported)
        }
        return shares
    }

    private func services(_ seconds: Double, ticks: UInt64) throws -> [Sighting.Service] {
        let pages =
            try held(living).enumerated().map { index, each in
                try page(
                    seconds, "127.0.0.1:85\(10 + index)", operatorPage(each.name, each.partitions))
            }
            + Self.writers.enumerated().map { index, name in
                var service = try page(
                    seconds, "127.0.0.1:85\(20 + index)", writerPage(name, seconds))
                service.writer?.metrics = WriterFigures(
                    PageMetrics(
                        Array(metrics(ticks / 2, seconds).utf8), wanted: WriterFigures.names))
                return service
            }
            + [
                page(
                    seconds, "127.0.0.1:8500", gatewayPage("binance", of: "binance", state: "ready")
                ),
                page(
                    seconds, "127.0.0.1:8501",
                    gatewayPage("ib", of: "ibkr", state: isBrokerAway ? "server-lost" : "ready")),
            ]
        return pages
    }

    private func page(
        _ seconds: Double, _ address: String, _ json: String
    ) throws -> Sighting.Service {
        var service = MadeSighting.service(seconds, address)
        let status = try JSONValue.parse(json)
        service.read(status)
        service.feeds = FeedPage.all(status)
        return service
    }

    private func operatorPage(_ name: String, _ partitions: [Int]) -> String {
        let owners = partitions.map {
            """
            {"partition":\($0),"owner":"\(name)","epoch":\(3 + $0 % 3),"state":"held",
            "since":"2026-03-02T14:0\($0 % 10):07Z"}
            """
        }
        let states = partitions.map { partition in
            let taken = isOperatorGone && partition % Self.operators.count == 2
            return """
                {"partition":\(partition),"scope":"partition",
                "previous_owner":\(taken ? "\"worker-c\"" : "null"),
                "checkpoint":{"age_seconds":\(4 + partition % 7)}}
                """
        }
        return """
            {"service":"operator-worker","ready":true,"membership":{"group":"operator",
            "member":"\(name)","instance":"\(name)","owners":[\(owners.joined(separator: ","))]},
            "operator":{"partitions":[\(states.joined(separator: ","))]}}
            """
    }

    private func gatewayPage(_ source: String, of provider: String, state: String) -> String {
        """
        {"service":"provider-gateway","ready":true,"gateway":{"source":"\(source)",
        "role":"active","provider":"\(provider)","finished":false,"newest":\(newest(source)),
        "spool":{"ticks":0},"providers":{"\(provider)":{"state":"\(state)","instruments":[]}}},
        "lag":{"operator":{"lag":\(isOperatorGone ? 39_412 : 0),
        "lag_seconds":\(isOperatorGone ? 12.4 : 0)},
        "store":{"lag":0,"lag_seconds":0}}}
        """
    }

    private func writerPage(_ name: String, _ seconds: Double) -> String {
        let grown = UInt64(seconds * 210_000)
        return """
            {"service":"store-writer","ready":true,
            "membership":{"group":"store","member":"\(name)","instance":"\(name)","owners":[]},
            "writer":{"queue":{"capacity_rows":200000,"lanes":[{"rows":412},{"rows":173}]},
            "workers":[{"state":"writing","last_error":null}]},
            "database":{"problem":null,"bytes_at":"\(Self.wall(seconds - 90))",
            "bytes":{"trades":\(48_318_382_080 + grown),
            "quotes":\(31_138_512_896 + grown / 2),
            "bars":6442450944,"versions":214748364},"profile":{"durable":true,"problems":[]}}}
            """
    }

    private func metrics(_ rows: UInt64, _ seconds: Double) -> String {
        let batches = rows / 230
        return """
            sink_writes_total \(rows)
            mds_worker_batches_written_total \(batches)
            mds_worker_write_latency_seconds_sum \(Double(batches) * 0.0062)
            mds_coord_circuit_state 0
            mds_store_capacity_bytes 214748364800
            mds_backup_last_success_timestamp_seconds{kind="base"} \
            \(Self.begun.nanoseconds / 1_000_000_000 - 21_600)
            mds_backup_last_success_timestamp_seconds{kind="log"} \
            \(Double(Self.begun.nanoseconds / 1_000_000_000) + seconds - 20)
            """
    }

    // MARK: gaps

    /// Of an evening in which one feed broke twice, and of a source that keeps no history.
    private var gaps: GapList {
        let begin = Double(Self.begun.nanoseconds) / 1e9
        var gaps: [GapList.Gap] = []
        if isBrokerAway {
            for symbol in ["AAPL", "MSFT", "NVDA", "SPY"] {
                gaps.append(
                    .init(
                        symbol: symbol, kind: "trade", source: "ib", state: "open",
                        reason: "not connected", detail: "", from: begin + 1_107, to: nil,
                        notedAt: begin + 1_109))
            }
            gaps.append(
                .init(
                    symbol: "NVDA", kind: "trade", source: "ib", state: "filling",
                    reason: "not connected", detail: "", from: begin + 204, to: begin + 391,
                    notedAt: begin + 205))
        }
        for (symbol, from) in [("ETHUSDT", 120.0), ("SOLUSDT", 512.0)] {
            gaps.append(
                .init(
                    symbol: symbol, kind: "quote", source: "binance", state: "abandoned",
                    reason: "connection lost", detail: "no history of quotes is kept",
                    from: begin + from, to: begin + from + 37, notedAt: begin + from + 1))
        }
        let counts = Dictionary(grouping: gaps, by: \.state).mapValues { UInt64($0.count) }
        return GapList(gaps: gaps, counts: counts)
    }
}
