import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Follows the bars of the partition until the output of the request is out.
final class RepairWatch {
    /// A request has one for each of its days at most.
    private static let refusalsMax = 64
    /// Indicator values are in 1e-9.
    private static let unit: Int128 = 1_000_000_000

    private let command: RepairCommand
    private let feed: TailFeed
    private let clock = SystemClock()
    /// Versions of bars of the range that give the request's reason.
    private(set) var bars = 0
    /// What is told before it is known where the request stands is kept with its place.
    private var told: [(sequence: UInt64, refusal: RepairOutcome.Refusal)] = []
    private var sequence: UInt64 = 0
    /// The input up to which all output is out.
    private var reached: UInt64 = 0

    init(_ command: RepairCommand, _ partition: Partition, _ client: TapeClient) throws {
        self.command = command
        feed = try TailFeed(client, follows: true)
        let names = client.names
        try feed.open(
            TailCommand.Selection(stream: names.barStream, filters: [names.bars(partition)]),
            at: .new)
    }

    func close() { feed.close() }

    /// Those of the request.
    var refusals: [RepairOutcome.Refusal] {
        told.filter { $0.sequence == sequence }.map(\.refusal)
    }

    /// False: it is not out in time.
    func wait(
        behind sequence: UInt64, seconds: Int, turn: Duration, _ shutdown: ShutdownSignal
    ) throws -> Bool {
        self.sequence = sequence
        let deadline = clock.deadline(after: .seconds(seconds))
        while reached < sequence {
            guard clock.remaining(until: deadline) > .zero else { return false }
            if shutdown.isRequested { throw ToolError.refused("interrupted; the request stays") }
            try feed.receive(timeout: turn) { message in
                try message.message.withPayload { bytes throws in
                    _ = try PacketReader.validate(bytes)
                    take(bytes)
                }
            }
        }
        return true
    }

    private func take(_ packet: RawSpan) {
        var symbols: [UInt32: Symbol] = [:]
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .bar(let bar):
                guard symbols[bar.symbol] == command.symbol,
                    bar.reason == command.reason.rawValue, bar.openTime < command.to,
                    bar.closeTime > command.from
                else { continue }
                bars += 1
            case .other(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    symbols[index] = definition.symbol
                } else if let value = message.indicatorValue(in: packet) {
                    take(value)
                }
            case .trade, .quote, .malformed: continue
            }
        }
        if let state = PacketReader.outputState(of: packet) {
            reached = max(reached, state.input.sequence)
        }
    }

    /// The value is the place of the packet that asked.
    private func take(_ value: IndicatorValue) {
        let prefix = RepairOutcome.Refusal.namePrefix
        guard value.name.hasPrefix(prefix), told.count < Self.refusalsMax,
            let asked = UInt64(exactly: value.value / Self.unit)
        else { return }
        let refusal = RepairOutcome.Refusal(
            reason: String(value.name.dropFirst(prefix.count)), from: value.periodStart,
            to: value.periodEnd)
        told.append((asked, refusal))
    }
}
