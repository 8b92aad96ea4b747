import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import StoreIntents
import TapeCodec
import TapeProtocol
import TapeTransport

/// Reads the packets of a declared batch again, as the intake reads them.
final class DeclaredRange: DeclaredPackets {
    /// The tape has given them by then, or it is tried again later.
    private static let timeout = Duration.seconds(30)
    private static let step = Duration.milliseconds(100)
    private static let eventsPerTurn = 256
    private static let idleMax = Duration.seconds(5)

    private let client: TapeClient
    private let beat: ThreadBeat
    /// Whether the packet of the position may be gone, as for the intake of a store that is not
    /// needed.
    private let mayBeLetGo: Bool
    private let clock = SystemClock()

    /// `client` is that of the thread which calls it.
    init(_ client: TapeClient, _ beat: ThreadBeat, mayBeLetGo: Bool) {
        self.client = client
        self.beat = beat
        self.mayBeLetGo = mayBeLetGo
    }

    func loss(
        _ place: SinkPlace, after position: SinkPosition, through packet: TapePacket
    ) throws(StoreError) -> DeclaredLoss {
        let stream = input(place).stream
        do throws(JetStreamError) {
            let jetStream = client.jetStream
            guard let info = try jetStream.streamInfo(stream),
                info.created == packet.streamCreated, info.lastSequence >= packet.sequence
            else { return .nothing }
            if try jetStream.message(stream: stream, sequence: packet.sequence) == nil {
                return .end
            }
            guard let before = position.position, before.hasPacket else {
                return info.firstSequence > 1 ? .part : .nothing
            }
            return try jetStream.message(stream: stream, sequence: before.sequence) == nil
                ? .part : .nothing
        } catch {
            throw .failed(StoreError.Failure(category: .retryable, cause: error))
        }
    }

    func batch(
        _ place: SinkPlace, after position: SinkPosition, through packet: TapePacket
    ) throws(StoreError) -> WriteBatch {
        let mailbox = TapeMailbox(capacity: 64)
        defer { mailbox.close() }
        do throws(TapeError) {
            let readers = try TapeReaders(
                client, group: "declared", mailbox: mailbox, takesDamaged: true,
                idleMax: Self.idleMax)
            client.notify(mailbox)
            defer { readers.close() }
            let reader = readers.add(input(place))
            readers.open([(reader: reader, position: position.position)])
            return try read(place, position, packet, readers, mailbox)
        } catch {
            throw .failed(StoreError.Failure(category: .retryable, cause: error))
        }
    }

    private func input(_ place: SinkPlace) -> TapeReaders.Input {
        let (names, partition) = (client.names, place.partition)
        var input =
            place.input == .ticks
            ? TapeReaders.Input(
                partition: partition, stream: names.tickStream(of: partition),
                filters: [names.ticks(partition)])
            : TapeReaders.Input(
                partition: partition, stream: names.barStream, filters: names.derived(partition))
        input.mayBeLetGo = mayBeLetGo
        return input
    }

    private func read(
        _ place: SinkPlace, _ before: SinkPosition, _ packet: TapePacket, _ readers: TapeReaders,
        _ mailbox: TapeMailbox
    ) throws(TapeError) -> WriteBatch {
        var batch = WriteBatch()
        var tapeTime = before.tapeTime
        let input = InputNumber.of(place)
        func take(_ reader: Int, _ header: PacketHeader, _ message: NatsMessage) {
            guard let position = readers.position(reader), position.sequence <= packet.sequence
            else { return }
            if let time = message.withReplyTo({ PulledMessage(ofReplySubject: $0)?.time }) {
                tapeTime = tapeTime.isDefined ? max(tapeTime, time) : time
            }
            batch.add(
                WriteBatch.Item(
                    input: input, header: header, message: message, position: position,
                    storedOrdinal: before.account(header.source)?.lastOrdinal ?? 0,
                    tapeTime: tapeTime))
        }
        let deadline = clock.deadline(after: Self.timeout)
        var events: [TapeEvent] = []
        while (readers.position(0)?.sequence ?? 0) < packet.sequence {
            beat.beat()
            guard clock.monotonic() < deadline, readers.problem(0) == nil else {
                let reason = readers.problem(0).map { "\($0)" } ?? "they did not come in time"
                throw .jetStream(
                    .malformed(
                        operation: "read the declared batch up to \(packet.sequence) of "
                            + InputNumber.name(input), detail: reason))
            }
            _ = mailbox.receive(
                into: &events, max: Self.eventsPerTurn, timeout: Self.step)
            for event in events {
                switch event {
                case .delivery(let message): readers.handle(message, take)
                case .reconnected: readers.reconnected()
                case .closed(let reason):
                    throw .jetStream(
                        .malformed(operation: "read the declared batch", detail: reason))
                case .answer, .wake: continue
                }
            }
            events.removeAll(keepingCapacity: true)
            readers.timePassed()
        }
        return batch
    }
}
