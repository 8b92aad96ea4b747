import TapeTransport
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import Synchronization
import TapeCodec
import TapeProtocol

/// Makes dead letters of the ticks that `FutureGate` refuses. It works on a separate thread,
/// `letters`, so that a slow disk or server holds up no other tick. A gateway has one for all its
/// tenures.
///
/// A bounded queue connects the gateway's thread with this one. When the queue is full, a tick is
/// counted as lost, and one event reports that.
final class FutureLetters: Sendable {
    /// A refused tick with its symbol and provider.
    struct Refused: Sendable {
        let record: TapeRecord
        let source: SourceName
        let symbol: Symbol
        let provider: String
        /// The partition of its symbol, and this gateway's epoch there.
        let partition: Partition
        let epoch: UInt64
        /// When it was refused, by the source's clock.
        let noted: Timestamp
        /// How far the tick is stamped ahead of the source's clock.
        let aheadNanoseconds: Int64
    }

    /// The maximum of ticks that wait. That is a few megabytes, and the ticks of some seconds.
    static let queueMax = 16_384
    /// The maximum of letters that are stored together.
    private static let batchMax = 256
    /// The longest wait for ticks, between two beats. A tick ends it, and so does the end of the
    /// service.
    private static let pause = Duration.seconds(5)
    /// How long the thread may take to store the waiting ticks when the service ends.
    private static let endTimeout = Duration.seconds(3)

    private let source: SourceName
    private let context: ServiceContext
    private let output: DeadLetterOutput
    private let queue = Mailbox<Refused>(capacity: queueMax)
    /// Whether a loss was reported since letters were last stored. Then no further event is
    /// emitted.
    private let isLosing = Atomic(false)
    /// The counters of stored letters, by the database table that the record would go to (its
    /// *sink*).
    private let kept: [String: Counter]
    /// Counts the refused ticks that became no letter.
    private let lost: Counter
    private let thread = Mutex<ServiceThread?>(nil)

    init(_ settings: GatewaySettings, client: TapeClient, context: ServiceContext) throws {
        source = settings.source
        self.context = context
        output = DeadLetterOutput(
            client: client, context: context, owner: "gateway", folder: settings.deadLetterFolder,
            bytesMax: settings.deadLetterBytes, folderKey: "GATEWAY_DEAD_LETTERS")
        let metrics = context.telemetry.metrics
        var kept: [String: Counter] = [:]
        for sink in [
            "trades", "quotes", "depth", "provider_bars", "options", "indicators", "news",
            "fundamentals",
        ] {
            kept[sink] = metrics.deadLetters(sink: sink, reason: .future)
        }
        self.kept = kept
        lost = metrics.counter(
            "mds_gateway_letters_lost_total",
            "a refused tick for which there was no room as a dead letter",
            "above 0: check NATS, its stream of dead letters, and GATEWAY_DEAD_LETTERS",
            labels: [("source", source.text)])
        metrics.watch(queue, as: "refused-ticks")
        let worker = try ServiceThread(name: "letters") { [self] in work() }
        thread.withLock { $0 = worker }
    }

    /// Queues a tick to become a letter. The gateway's thread calls it. Never blocks.
    func refuse(_ refused: Refused) {
        if !queue.send(refused) { lose(1, "the queue is full") }
    }

    /// Ends the thread, after the waiting ticks are stored as letters. What is still queued after
    /// `endTimeout` is counted as lost.
    func stop() {
        queue.close()
        guard let thread = thread.withLock({ $0 }) else { return }
        if !thread.join(timeout: Self.endTimeout) {
            lose(UInt64(queue.count), "the service ends")
        }
    }

    /// Counts ticks that became no letters, and reports the first of a series.
    private func lose(_ count: UInt64, _ reason: String) {
        lost.add(count)
        guard !isLosing.exchange(true, ordering: .relaxed) else { return }
        context.telemetry.emit(.lettersLost(source: source, reason: reason))
    }

    // MARK: the thread

    private func work() {
        let clock = SystemClock()
        let beat = context.threads.thread("letters", within: ThreadWatch.callLimit)
        defer { beat.retire() }
        // When letters that are in files, because NATS did not accept them, are next delivered.
        var courierAt = MonotonicTime.distantPast
        // The last problem with these files, so that each is reported once.
        var reported = ""
        var batch: [Refused] = []
        while queue.receive(
            into: &batch, max: Self.batchMax,
            timeout: min(Self.pause, clock.remaining(until: courierAt))) > 0 || !queue.isClosed
        {
            beat.beat(before: ThreadWatch.systemTime)
            keep(batch)
            beat.beat()
            batch.removeAll(keepingCapacity: true)
            let now = clock.monotonic()
            guard now >= courierAt, !queue.isClosed else { continue }
            output.report(output.deliverFiles(beat), &reported)
            courierAt = clock.deadline(after: DeadLetterOutput.courierWait)
        }
    }

    /// Makes letters of the ticks and stores them.
    private func keep(_ batch: [Refused]) {
        guard !batch.isEmpty else { return }
        let letters = batch.map { letter($0) }
        do throws(DeadLetterOutput.Refused) {
            try output.take(letters)
            for letter in letters { kept[letter.sink]?.add() }
            isLosing.store(false, ordering: .relaxed)
        } catch {
            lose(UInt64(letters.count), "\(error)")
        }
    }

    /// Returns the letter of a refused tick. The ordinal of its place is the tick's computed
    /// number. With a provider's id the epoch is 0, so that the tick has the same place in each
    /// tenure and makes no second letter.
    func letter(_ refused: Refused) -> DeadLetter {
        let (providerID, eventTime) =
            refused.record.header.map {
                ($0.providerID, $0.eventTime)
            } ?? (0, .undefined)
        let (id, payload) = Self.packet(refused)
        let ahead = Duration.nanoseconds(refused.aheadNanoseconds)
        return DeadLetter(
            service: output.service, namespace: output.names.namespace, owner: "gateway",
            sink: refused.record.sink, reason: .future,
            refusal: DeadLetter.Refusal(
                message: "stamped \(ahead) ahead of the gateway's clock, which is more than "
                    + "GATEWAY_FUTURE_MAX; it never was on the tape"),
            place: DeadLetter.Place(
                input: DeadLetter.Place.provider, partition: refused.partition,
                source: refused.source,
                epoch: providerID == 0 ? refused.epoch : 0, ordinal: id,
                stream: "", streamCreated: .undefined, sequence: 0),
            symbol: refused.symbol.text, eventTime: eventTime, notedAt: refused.noted,
            payload: payload)
    }

    /// Returns a packet with this tick alone, and the tick's number. A checksum of the provider's
    /// data is the number, so that a tick that is refused again makes no second letter. Without a
    /// provider's id two ticks may have identical data, so the receive time is part of the
    /// checksum.
    private static func packet(_ refused: Refused) -> (id: UInt64, bytes: [UInt8]) {
        var builder = PacketBuilder(
            kind: .ticks, partition: refused.partition, source: refused.source)
        let symbol = builder.register(
            SymbolDefinition(symbol: refused.symbol, provider: refused.provider, since: .undefined))
        let record = refused.record.changed { $0.symbol = symbol }
        let hasID = record.header?.providerID ?? 0 != 0
        let plain = seal(
            hasID ? record.changed { $0.receiveTime = .undefined } : record, &builder,
            firstOrdinal: 1)
        // The number is also the packet's first ordinal, which must leave room for the next one.
        let id = max(1, plain.withRawSpan { Checksum.of($0) } >> 1)
        return (id, seal(record, &builder, firstOrdinal: id))
    }

    /// Returns the bytes of a packet with this record alone.
    private static func seal(
        _ record: TapeRecord, _ builder: inout PacketBuilder, firstOrdinal: UInt64
    ) -> [UInt8] {
        // This cannot fail: a record with a text too long for the tape is refused before its time
        // is checked.
        _ = builder.append(record)
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 0, firstOrdinal: firstOrdinal, watermark: .undefined, sendTime: .undefined))
        return packet.withBytes { $0.array }
    }
}

extension TapeRecord {
    /// The database table that the record would go to if it were on the tape.
    var sink: String {
        switch kind {
        case .trade: "trades"
        case .quote: "quotes"
        case .depth: "depth"
        case .providerBar: "provider_bars"
        case .optionComputation: "options"
        case .indicator: "indicators"
        case .news: "news"
        case .fundamental: "fundamentals"
        case .any, nil: "events"
        }
    }
}

extension ServiceEvent {
    /// Reports that refused ticks became no dead letters: the first time after letters were stored.
    static func lettersLost(source: SourceName, reason: String) -> Self {
        Self(
            .error, "gateway.letters_lost",
            "refused ticks are lost, there is no room for them as dead letters: \(reason)",
            ("source", .text(source.text)))
    }
}
