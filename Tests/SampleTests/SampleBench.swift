import Foundation
import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport

/// The sample's gateway and worker as processes, and what came of them on the tape.
final class SampleBench {
    /// A trade as the file says it.
    struct FileTrade: Hashable {
        let symbol: String
        let id: UInt64
        let price: Price
        let size: Quantity
    }

    /// A trade on the tape.
    struct Trade {
        let inFile: FileTrade
        let time: Timestamp
        let isSnapshot: Bool
    }

    /// The bar of one second.
    struct Window: Hashable {
        let symbol: String
        let second: Int64
    }

    /// What a bar says.
    struct Values: Hashable {
        private(set) var open = Price.undefined
        private(set) var high = Price.undefined
        private(set) var low = Price.undefined
        private(set) var close = Price.undefined
        private(set) var trades: UInt64 = 0
        private(set) var volume: Int128 = 0
        private(set) var notional: Int128 = 0

        init() {}

        init(_ bar: Bar) {
            (open, high, low, close) = (bar.open, bar.high, bar.low, bar.close)
            (trades, volume, notional) = (bar.trades, bar.volume, bar.notional)
        }

        mutating func add(_ trade: FileTrade) {
            if trades == 0 { (open, high, low) = (trade.price, trade.price, trade.price) }
            high = max(high, trade.price)
            low = min(low, trade.price)
            close = trade.price
            trades += 1
            volume += Int128(trade.size.raw)
            notional += Int128(trade.price.raw) * Int128(trade.size.raw)
        }
    }

    let symbols: [String]
    private let folder: TemporaryFolder
    private let tape: TestTape
    private let gateway: ServerProcess
    private let worker: ServerProcess

    init(symbols: [String]) throws {
        self.symbols = symbols
        folder = try TemporaryFolder("sample")
        tape = try TestTape(try NatsServer(), namespace: "sample")
        let sample = "\(ServerPrograms.checkout)/Samples/tapeline-sample"
        gateway = try Self.start(
            "gateway", tape, folder,
            [
                "GATEWAY_PROVIDER": "json-file", "JSON_FILE": folder.file("trades.json"),
                "GATEWAY_INSTRUMENTS": "\(sample)/instruments.yaml",
            ])
        worker = try Self.start(
            "worker", tape, folder, ["OPERATOR_GRAPH": "\(sample)/graph.yaml"])
    }

    deinit {
        gateway.stop(SIGKILL)
        worker.stop(SIGKILL)
    }

    /// `TAPELINE_SAMPLE_PROGRAMS` names the folder where the package was built by itself; else
    /// they are those that this package builds of the same sources.
    static func start(
        _ role: String, _ tape: TestTape, _ folder: TemporaryFolder, _ settings: [String: String],
        words: [String] = []
    ) throws -> ServerProcess {
        let built = ProcessInfo.processInfo.environment["TAPELINE_SAMPLE_PROGRAMS"]
        let product = "Sample\(role.capitalized)"
        let member = settings["MDS_MEMBER"] ?? role
        let environment = tape.environment.merging(["OPS_PORT": "0", "MDS_MEMBER": member]) { $1 }
            .merging(settings) { $1 }.merging(ProductPrograms.profile(product)) { $1 }
        return try ServerProcess(
            try built.map { "\($0)/sample-\(role)" } ?? ProductPrograms.path(product), words,
            environment: environment, logPath: folder.file("\(member).log"))
    }

    var logs: String { gateway.log + worker.log }

    /// The exit codes of both.
    func stop() -> [Int32] { [gateway.stop(), worker.stop()] }

    // MARK: the file

    /// Writes the file that the gateway polls.
    func write(_ trades: some Sequence<FileTrade>) throws {
        let members = trades.map {
            #""\#($0.symbol)": {"id": \#($0.id), "price": "\#($0.price)", "size": "\#($0.size)"}"#
        }
        try folder.write("{\(members.joined(separator: ", "))}", to: "trades.json")
    }

    // MARK: the tape

    /// Waits until so many trades are on the tape.
    func hasTrades(_ count: Int) throws -> Bool {
        try eventually { try trades().count >= count || !gateway.isRunning }
            && gateway.isRunning
    }

    /// Returns those on the tape, in the order of their partitions.
    func trades() throws -> [Trade] {
        var found: [Trade] = []
        for number in 0..<tape.names.partitions {
            for packet in try tape.tickPackets(Partition(number)) {
                packet.payload.withRawSpan { bytes in
                    var walk = PacketWalk()
                    while let item = walk.next(in: bytes) {
                        guard case .trade(let trade) = item else { continue }
                        let symbol = walk.symbol(trade.header.symbol, in: bytes)?.symbol.text
                        found.append(
                            Trade(
                                inFile: FileTrade(
                                    symbol: symbol ?? "", id: trade.header.providerID,
                                    price: trade.price, size: trade.size),
                                time: trade.header.eventTime,
                                isSnapshot: trade.header.flags.contains(.snapshot)))
                    }
                }
            }
        }
        return found
    }

    /// Waits until the newest versions of all bars are right.
    func hasBars(_ isRight: ([Window: Values]) -> Bool) throws -> Bool {
        try eventually { try isRight(bars()) || !worker.isRunning } && isRight(bars())
    }

    /// The newest version of each.
    private func bars() throws -> [Window: Values] {
        var found: [Window: Values] = [:]
        for number in 0..<tape.names.partitions {
            for packet in try tape.barPackets(Partition(number)) {
                packet.payload.withRawSpan { bytes in
                    var walk = PacketWalk()
                    while let item = walk.next(in: bytes) {
                        guard case .bar(let bar) = item else { continue }
                        let symbol = walk.symbol(bar.symbol, in: bytes)?.symbol.text
                        let second = bar.openTime.nanoseconds / 1_000_000_000
                        found[Window(symbol: symbol ?? "", second: second)] = Values(bar)
                    }
                }
            }
        }
        return found
    }
}
