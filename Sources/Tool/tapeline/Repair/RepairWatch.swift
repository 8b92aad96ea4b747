import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Follows the bars of the partition until the output of the request is published.
final class RepairWatch {
    /// A request has at most one refusal per day.
    private static let refusalsMax = 64

    private let command: RepairCommand
    private let reader: RangeReader
    private let clock = SystemClock()
    /// The number of versions of bars in the range whose reason is the request's.
    private(set) var bars = 0
    /// The refusals of the request. Packets are read only once the request's sequence is known.
    private(set) var refusals: [RefusedRepair] = []
    private var sequence: UInt64 = 0
    /// The input sequence up to which all output is published.
    private var reached: UInt64 = 0

    init(_ command: RepairCommand, _ partition: Partition, _ client: TapeClient) throws {
        self.command = command
        reader = try RangeReader(client, group: "repair")
        let names = client.names
        let bars = TapeReaders.Input(
            partition: partition, stream: names.barStream, filters: [names.bars(partition)])
        try reader.open(bars, from: .end, to: .never)
    }

    func close() { reader.close() }

    /// Returns false if the output is not published in time.
    func wait(
        behind sequence: UInt64, seconds: Int, turn: Duration, _ shutdown: ShutdownSignal
    ) throws -> Bool {
        self.sequence = sequence
        let deadline = clock.deadline(after: .seconds(seconds))
        while reached < sequence {
            guard clock.remaining(until: deadline) > .zero else { return false }
            if shutdown.isRequested { throw ToolError.refused("interrupted; the request stays") }
            try reader.receive(timeout: turn) { $0.message.withPayload { take($0) } }
        }
        return true
    }

    private func take(_ packet: RawSpan) {
        var walk = PacketWalk()
        while let item = walk.next(in: packet) {
            switch item {
            case .bar(let bar):
                guard let symbol = walk.symbol(bar.symbol, in: packet),
                    symbol.symbol == command.symbol,
                    command.source == nil || command.source == symbol.source,
                    bar.reason == command.reason.rawValue, bar.openTime < command.to,
                    bar.closeTime > command.from
                else { continue }
                bars += 1
            case .other(let message):
                guard let value = message.indicatorValue(in: packet),
                    let refusal = RefusedRepair(value)
                else { continue }
                take(refusal)
            case .trade, .quote, .control: continue
            }
        }
        if let state = PacketReader.outputState(of: packet) {
            reached = max(reached, state.input.sequence)
        }
    }

    private func take(_ refusal: RefusedRepair) {
        guard refusal.sequence == sequence, refusals.count < Self.refusalsMax else { return }
        refusals.append(refusal)
    }
}
