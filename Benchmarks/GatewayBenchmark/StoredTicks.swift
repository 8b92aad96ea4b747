import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// A packet of the script's ticks, as stored on the tape.
struct StoredTicks {
    let place: AckWatch.Place
    let partition: Partition
    let bytes: [UInt8]
    /// The numbers that the script gave the ticks.
    let ticks: [Int]

    /// Returns all packets of the source on the tape, in the order of each stream.
    static func read(_ client: TapeClient, of source: SourceName) throws -> [StoredTicks] {
        var found: [StoredTicks] = []
        let subjects = Dictionary(
            uniqueKeysWithValues: (0..<client.names.partitions).map {
                (client.names.ticks(Partition($0), source), Partition($0))
            })
        for number in 0..<TapeNames.tickStreams {
            let stream = client.names.tickStream(number)
            guard let info = try client.jetStream.streamInfo(stream) else { continue }
            guard info.firstSequence <= info.lastSequence else { continue }
            for sequence in info.firstSequence...info.lastSequence {
                guard
                    let message = try client.jetStream.message(stream: stream, sequence: sequence),
                    let partition = subjects[message.subject]
                else { continue }
                let ticks = try numbers(message.payload)
                guard !ticks.isEmpty else { continue }
                found.append(
                    StoredTicks(
                        place: AckWatch.Place(stream: stream, sequence: sequence),
                        partition: partition, bytes: message.payload, ticks: ticks))
            }
        }
        return found
    }

    /// A tick's number is its size. For a quote it is the size that changed last.
    private static func numbers(_ payload: [UInt8]) throws -> [Int] {
        try payload.withRawSpan { packet throws(PacketError) in
            _ = try PacketReader.validate(packet)
            var cursor = RecordCursor()
            var numbers: [Int] = []
            while let record = cursor.next(in: packet) {
                var sizes: [Quantity] = []
                switch record {
                case .trade(let trade) where !trade.header.flags.contains(.snapshot):
                    sizes = [trade.size]
                case .quote(let quote): sizes = [quote.bidSize, quote.askSize]
                default: continue
                }
                let largest = sizes.filter(\.isDefined).map { $0.raw / 100_000_000 }.max() ?? 0
                if largest >= TickScript.base { numbers.append(Int(largest - TickScript.base)) }
            }
            return numbers
        }
    }
}
