import TapeTransport
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import Synchronization
import TapeCodec
import TapeProtocol

/// Makes dead letters of ticks that may not go onto the tape. It works on a separate thread, so
/// that a slow disk or server holds up no other tick.
///
/// A bounded queue connects the threads. When the queue is full, a tick is counted as lost, and one
/// event reports that.
final class FutureLetters: Sendable {
    /// A refused tick with its symbol and provider.
    struct Refused: Sendable {
        let record: TapeRecord
        let symbol: Symbol
        let provider: String
        let partition: Partition
        let epoch: UInt64
        /// When it was refused, by the source's clock.
        let noted: Timestamp
        /// How far ahead of the gateway's clock the tick is stamped.
        let aheadNanoseconds: Int64
    }

    /// The maximum of ticks that wait: some seconds of a source, at a few hundred bytes each.
    static let queueMax = 16_384
    private static let batchMax = 256
    private static let pause = Duration.milliseconds(100)
    /// At the end, ticks that were taken are delivered within this time or given up.
    private static let endTimeout = Duration.seconds(3)

    private let source: SourceName
    private let context: ServiceContext
    private let output: DeadLetterOutput
    private let queue = Mailbox<Refused>(capacity: queueMax)
    /// Whether a loss was reported since a letter was last kept.
    private let isLosing = Atomic(false)
    /// The counters of kept letters, by the table that the record would go to.
    private let kept: [String: Counter]
    private let lost: Counter
    private let thread = Mutex<ServiceThread?>(nil)

    init(_ settings: GatewaySettings, client: TapeClient, context: ServiceContext) throws {
        source = settings.source
        self.context = context
        output = DeadLetterOutput(
            client: client, context: context, folder: settings.deadLetterFolder,
            bytesMax: settings.deadLetterBytes, folderKey: "GATEWAY_DEAD_LETTERS")
        let metrics = context.telemetry.metrics
        var kept: [String: Counter] = [:]
        for sink in [
            "trades", "quotes", "depth", "provider_bars", "options", "indicators", "news",
            "fundamentals",
        ] {
            kept[sink] = metrics.counter(
                "mds_dead_letters_total", "Ticks and bars that were set aside as dead letters.",
                labels: [("sink", sink), ("reason", DeadLetter.Reason.future.rawValue)])
        }
        self.kept = kept
        lost = metrics.counter(
            "mds_gateway_letters_lost_total",
            "Refused ticks for which there was no room as dead letters.",
            labels: [("source", source.text)])
        metrics.watch(queue, as: "refused-ticks")
        let worker = try ServiceThread(name: "letters") { [self] in work() }
        thread.withLock { $0 = worker }
    }

    /// Queues a tick to become a letter. Never blocks.
    func refuse(_ refused: Refused) {
        if !queue.send(refused) { lose(1, "the queue is full") }
    }

    /// Ends the thread. Ticks that were taken before are kept as letters if possible.
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
        context.telemetry.emit(LettersLost(source: source, reason: reason))
    }

    // MARK: the thread

    private func work() {
        let clock = SystemClock()
        let beat = context.threads.thread("letters", within: ThreadWatch.callLimit)
        defer { beat.retire() }
        // When files on the disk are next brought to the tape's stream of dead letters.
        var courierAt = MonotonicTime.distantPast
        var reported = ""
        var batch: [Refused] = []
        while queue.receive(into: &batch, max: Self.batchMax, timeout: Self.pause) > 0
            || !queue.isClosed
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

    /// Returns the letter of a refused tick.
    func letter(_ refused: Refused) -> DeadLetter {
        let (providerID, eventTime) =
            refused.record.header.map {
                ($0.providerID, $0.eventTime)
            } ?? (0, .undefined)
        let (id, payload) = Self.packet(refused, source: source)
        let ahead = Duration.nanoseconds(refused.aheadNanoseconds)
        return DeadLetter(
            service: output.service, namespace: output.names.namespace, owner: "gateway",
            sink: refused.record.sink, reason: .future,
            refusal: DeadLetter.Refusal(
                message: "stamped \(ahead) ahead of the gateway's clock, which is more than "
                    + "GATEWAY_FUTURE_MAX; it never was on the tape"),
            place: DeadLetter.Place(
                input: DeadLetter.Place.provider, partition: refused.partition, source: source,
                epoch: providerID == 0 ? refused.epoch : 0, ordinal: id,
                stream: "", streamCreated: .undefined, sequence: 0),
            symbol: refused.symbol.text, eventTime: eventTime, notedAt: refused.noted,
            payload: payload)
    }

    /// Returns a packet with this tick alone and its number. The number is computed from the
    /// provider's data, so that a tick that is refused again makes no second letter. Without a
    /// provider id two ticks may have identical data, and only the receive time distinguishes them.
    private static func packet(
        _ refused: Refused, source: SourceName
    ) -> (id: UInt64, bytes: [UInt8]) {
        var builder = PacketBuilder(kind: .ticks, partition: refused.partition, source: source)
        let symbol = builder.register(
            SymbolDefinition(symbol: refused.symbol, provider: refused.provider, since: .undefined))
        let record = refused.record.changed { $0.symbol = symbol }
        let hasID = record.header?.providerID ?? 0 != 0
        let plain = seal(
            hasID ? record.changed { $0.receiveTime = .undefined } : record, &builder,
            firstOrdinal: 1)
        // An ordinal must leave room for the ones after it.
        let id = max(1, plain.withRawSpan { Checksum.of($0) } >> 1)
        return (id, seal(record, &builder, firstOrdinal: id))
    }

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
    /// The database table that the record would go to.
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

struct LettersLost: TelemetryEvent {
    static let name = "gateway.letters_lost"
    let source: SourceName
    let reason: String

    var level: LogLevel { .error }
    var message: String {
        "refused ticks are lost, there is no room for them as dead letters: \(reason)"
    }
    var fields: [(String, LogValue)] { [("source", .text(source.text))] }
}
