package import NatsTransport
import MarketModel
package import Primitives
package import ServiceRuntime
package import TapeCodec
import TapeProtocol
package import TapeTransport

/// Reads the ticks and bars of a tape from its end, on a thread of its own, as the intake of a
/// writer that owns all partitions does.
package final class TapeTail {
    /// Called on that thread with each packet that has records.
    package typealias Take =
        @Sendable (
            _ message: NatsMessage, _ header: PacketHeader, _ streamCreated: Timestamp
        ) -> Void

    private static let eventsPerTurn = 256
    private static let waitMax = Duration.milliseconds(20)

    /// Starts the thread, which ends when the service's shutdown is requested.
    package static func start(
        _ client: TapeClient, _ context: ServiceContext, take: @escaping Take
    ) throws -> ServiceThread {
        try ServiceThread(name: "tail") {
            do throws(TapeError) {
                try run(client, context, take)
            } catch {
                context.shutdown.request("the tape's end cannot be read: \(error)")
            }
        }
    }

    private static func run(
        _ client: TapeClient, _ context: ServiceContext, _ take: Take
    ) throws(TapeError) {
        let mailbox = TapeMailbox(capacity: eventsPerTurn)
        client.notify(mailbox)
        let readers = try TapeReaders(client, group: "tail", mailbox: mailbox)
        let names = client.names
        for stream in names.allStreams {
            let filters = stream == names.barStream ? [] : [names.allTicks]
            let reader = readers.add(
                TapeReaders.Input(partition: Partition(0), stream: stream, filters: filters))
            readers.open(reader, from: .end)
        }
        var events: [TapeEvent] = []
        while !context.shutdown.isRequested {
            _ = mailbox.receive(into: &events, max: eventsPerTurn, timeout: waitMax)
            for event in events {
                switch event {
                case .delivery(let message):
                    readers.handle(message) { reader, header, message in
                        guard header.tickCount > 0 else { return }
                        take(message, header, readers.streamCreated(reader))
                    }
                case .reconnected: readers.reconnected()
                case .closed, .answer, .wake: continue
                }
            }
            events.removeAll(keepingCapacity: true)
            readers.timePassed()
        }
        readers.close()
    }
}
