import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Runs the tape's readers of all partitions, on one thread and one mailbox, as in the services.
/// Every packet is proven to be the next one, and every tick is decoded.
final class ReadRun {
    private static let secondsMax: Int64 = 120

    private let stage: Stage
    private let client: TapeClient
    private let readers: TapeReaders
    private let mailbox = TapeMailbox(capacity: 16_384)
    private let clock = SystemClock()
    private var ticks = 0
    private var packets = 0
    private var volume: Int64 = 0

    init(_ stage: Stage) throws {
        self.stage = stage
        client = try stage.client()
        client.notify(mailbox)
        readers = try TapeReaders(
            client, group: "bench", mailbox: mailbox)
        for number in 0..<Stage.partitions {
            let partition = Partition(number)
            _ = readers.add(
                TapeReaders.Input(
                    partition: partition, stream: stage.names.tickStream(of: partition),
                    filters: [
                        stage.names.ticks(partition),
                        stage.names.watermarks(stream: stage.names.streamIndex(of: partition)),
                    ]))
        }
    }

    func run() throws -> RunResult {
        defer { client.close() }
        let used = RunResult.processorMicroseconds
        var events: [TapeEvent] = []
        let start = clock.monotonic().nanoseconds
        for reader in readers.indices { readers.open(reader, at: nil) }
        while ticks < stage.packets * stage.ticks {
            _ = mailbox.receive(into: &events, max: 256, timeout: .milliseconds(20))
            for event in events {
                switch event {
                case .delivery(let message): readers.handle(message, take)
                case .closed(let reason): throw Stage.Unusable(reason)
                case .answer, .reconnected, .wake: continue
                }
            }
            events.removeAll(keepingCapacity: true)
            readers.timePassed()
            guard clock.monotonic().nanoseconds - start < Self.secondsMax * 1_000_000_000 else {
                throw Stage.Unusable("the readers do not come to an end")
            }
        }
        let nanoseconds = clock.monotonic().nanoseconds - start
        let processor = RunResult.processorMicroseconds - used
        readers.close()
        guard volume == Int64(ticks) else { throw Stage.Unusable("ticks were read wrongly") }
        return RunResult(
            packetsPerSecond: Double(packets) * 1e9 / Double(nanoseconds),
            processorMicroseconds: processor / Double(packets))
    }

    private func take(_ reader: Int, _ header: PacketHeader, _ packet: NatsMessage) {
        packet.withPayload { bytes in
            var cursor = RecordCursor()
            while let record = cursor.next(in: bytes) {
                guard case .trade(let trade) = record else { continue }
                ticks += 1
                volume += trade.size.raw / 100_000_000
            }
        }
        packets += 1
    }
}
