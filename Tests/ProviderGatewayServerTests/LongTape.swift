import MarketModel
import NatsTransport
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

/// A source's tape with many packets in every partition, and its gaps. Packets of another source
/// are between them.
struct LongTape {
    private static let chunk = 50
    private static let foreignPerChunk = 5

    let tape: TestTape
    let source: SourceName
    /// The partitions, whose packets the test knows.
    private(set) var partitions: [LedgerTape] = []
    /// Two symbols of each partition.
    let symbols: [[Symbol]]
    private let foreign: SourceName
    private var written = 0

    init(_ tape: TestTape) throws {
        self.tape = tape
        source = try #require(SourceName("feed"))
        foreign = try #require(SourceName("other"))
        symbols = (0..<tape.names.partitions).map { number in
            let own = (0..<100_000).lazy.compactMap { Symbol("S\($0)") }
                .filter { tape.names.partition(of: $0) == Partition(number) }
            return Array(own.prefix(2))
        }
        for (number, own) in symbols.enumerated() {
            partitions.append(try LedgerTape(partition: Partition(number), symbols: own))
        }
    }

    /// Writes `packets` more packets into each partition.
    mutating func write(_ packets: Int) throws {
        let end = written + packets
        while written < end {
            let next = min(written + Self.chunk, end)
            for number in partitions.indices {
                for index in written..<next { Self.write(index, &partitions[number]) }
                try store(written..<next, of: number)
            }
            written = next
        }
    }

    /// Adds a packet. Each hundred packets leave two gaps: one whose first half was filled, and one
    /// that was reported without an end at first.
    private static func write(_ index: Int, _ tape: inout LedgerTape) {
        let second = Int64(10 * index)
        switch index % 100 {
        case 0 where index == 0:
            tape.subscription(0, .start)
            tape.subscription(1, .start)
        case 30: tape.gap(0, second, second + 8)
        case 40: tape.gap(0, second - 100, second - 96, .filled)
        case 60: tape.gap(1, second, nil)
        case 70: tape.gap(1, second - 100, second - 95)
        default: tape.trade(0, second)
        }
        tape.seal()
    }

    private func store(_ packets: Range<Int>, of number: Int) throws {
        let partition = Partition(number)
        let messages = packets.map { index in
            IdentifiedMessage(
                payload: partitions[number].packets[index].bytes, id: "\(number)/\(index)")
        }
        try publish(messages, to: tape.names.ticks(partition, source))
        let others = (0..<Self.foreignPerChunk).map {
            IdentifiedMessage(
                payload: messages[0].payload, id: "\(number)/\(packets.lowerBound)/\($0)")
        }
        try publish(others, to: tape.names.ticks(partition, foreign))
    }

    private func publish(_ messages: [IdentifiedMessage], to subject: String) throws {
        let (outcomes, failure) = tape.client.jetStream.publish(messages, to: subject)
        #expect(failure == nil)
        for outcome in outcomes {
            guard case .stored(_, duplicate: false)? = outcome else {
                Issue.record("\(subject): \(outcome.map { "\($0)" } ?? "no answer")")
                return
            }
        }
    }

    /// Recovers the ledgers from `stored`; by default nothing is stored.
    func recovery(
        _ stored: [Partition: PartitionLedger] = [:]
    ) throws -> (recovery: GapRecovery, rounds: Int) {
        var recovery = try GapRecovery(stored, client: tape.client, source: source)
        var rounds = 1
        while try !recovery.step() { rounds += 1 }
        return (recovery, rounds)
    }

    /// Expects that the ledgers are those of a reader of all packets, and that their positions are
    /// the last packets.
    func expectAll(
        _ ledgers: [Partition: PartitionLedger], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (number, known) in partitions.enumerated() {
            let partition = Partition(number)
            let wanted = known.fold()
            let found = try #require(ledgers[partition])
            let last = try tape.client.lastPacket(
                stream: tape.names.tickStream(of: partition),
                subject: tape.names.ticks(partition, source))
            #expect(found.entries == wanted.entries, sourceLocation: sourceLocation)
            #expect(found.isWhole, sourceLocation: sourceLocation)
            #expect(
                found.position.lastOrdinal == wanted.position.lastOrdinal,
                sourceLocation: sourceLocation)
            #expect(found.position.sequence == last?.last.sequence, sourceLocation: sourceLocation)
        }
    }
}
