internal import MarketModel
package import NatsTransport
package import Primitives
internal import ServiceRuntime
package import TapeCodec
package import TapeProtocol

/// Reads partitions of the tape: carries out what each partition's `ReaderLane` decides.
///
/// The workers of operators, the intake of the writer and `RangeReader` have one each.
///
/// One thread owns it. Packets and statuses come to that thread's mailbox as `TapeEvent.delivery`
/// and are handed to `handle`. Reading a stream's description and making a consumer block, but
/// happen only at the start, after a doubt (`TapeReaders+Opening.swift`), and when readers begin to
/// share a consumer (`TapeReaders+Sharing.swift`). A parameter `reader` is the index that `add`
/// returned.
package final class TapeReaders {
    /// The state of one reader.
    struct Reader {
        var input: Input
        var machine = ReaderLane()
        /// True from `hold` to `release`: the owner cannot take more packets.
        var isHeld = false
        /// The messages that came meanwhile, in order. The open pulls bound their number, because a
        /// pull is not replaced before its messages are taken. `waitingMax` bounds those of a
        /// shared consumer.
        var waiting: [NatsMessage] = []
        /// Whether too much waited, so that it leaves its shared consumer after what waits.
        var isOverfull = false
        /// The state of a shared consumer; `nil` for a reader of the owner.
        var share: Share?
        var silence = ServerSilence()
        /// Whether the stream did not exist when its description was last requested.
        var lacksStream = false
        var answers = AnswerPatience()
    }

    /// Called on the owner's thread with each packet that is proven to be the next one of its
    /// reader; those of a raw reader are not proven. The callee may keep the message.
    package typealias Take = (_ reader: Int, _ header: PacketHeader, _ packet: NatsMessage) -> Void

    /// Called on the owner's thread with a message of a raw reader that is no packet.
    package typealias Skip = (_ reader: Int, _ error: PacketError, _ message: NatsMessage) -> Void

    /// What all sets of readers of a process count.
    struct Metrics {
        let packets: Counter
        /// The number of stopped readers.
        let problems: Gauge
        /// The number of readers that share a consumer.
        let sharing: Gauge
        /// How many of them are of this set, as it was last shown.
        var sharingShown = 0

        init(_ metrics: MetricRegistry) {
            packets = metrics.counter(
                "mds_tape_packets_read_total", "a packet taken from the tape")
            problems = metrics.gauge(
                "mds_tape_stopped_readers", "readers that stopped and wait for a person",
                "above 0: the log describes the state of the tape")
            sharing = metrics.gauge(
                "mds_tape_sharing_readers",
                "readers that share the consumer of their stream with others of the process; the "
                    + "others read by consumers of their own",
                "far below the number of readers for long: they are behind, or "
                    + "`mds_tape_reader_renewals_total` rises")
        }
    }

    private static let heartbeatStatus = 100
    /// The shortest time between two checks of the deadlines, which are of 50 ms and more.
    private static let checkNanoseconds: Int64 = 25_000_000

    let client: TapeClient
    private let mailbox: TapeMailbox
    /// The beginning of the consumers' names, and the name of the readers in events.
    private let group: String
    private let takesDamaged: Bool
    /// The prefix of the subjects to which the statuses of pulls come.
    private let inbox: String
    /// The group and 64 random bits, so that no other process gives its consumers the same names.
    private let consumerPrefix: String
    let pullBytes: Int
    /// How long the server keeps a consumer that is not pulled from.
    let idleMax: Duration
    /// When it is set, readers that are opened without a position from then on are raw: they take
    /// whatever is stored and prove nothing of it. When it is `nil`, a message that is no packet
    /// stops its reader.
    package var skip: Skip?
    let clock = SystemClock()
    var metrics: Metrics
    /// The readers of the owner, and among them those of shared consumers, which only this type
    /// knows.
    var readers: [Reader] = []
    /// When the deadlines are checked next, by the monotonic clock.
    private var checkAt = MonotonicTime.distantPast
    /// When readers are looked for that can share a consumer.
    var sharePace: SharePace
    /// The effects of the reader that is being handled. Empty between calls.
    var effects: [ReaderLane.Effect] = []

    /// `group` begins the names of the consumers: `[A-Za-z0-9_]`. `takesDamaged`: the owner handles
    /// packets whose header is right and whose messages are damaged (`PacketReader.damage`);
    /// without it, a reader stops at such a packet. A reader that is held keeps at most two pulls
    /// of `pullBytes`, or one of `ReaderLane.largePullBytes`, in memory. A packet larger than both
    /// is never delivered. A consumer that is not pulled from for `idleMax` is removed by the
    /// server. A shared consumer is made at most once per `shareInterval`.
    package init(
        _ client: TapeClient, group: String, mailbox: TapeMailbox, takesDamaged: Bool = false,
        pullBytes: Int = ReaderLane.pullBytes, idleMax: Duration = .seconds(30),
        shareInterval: Duration = .seconds(1)
    ) throws(TapeError) {
        self.client = client
        self.mailbox = mailbox
        self.group = group
        self.takesDamaged = takesDamaged
        self.pullBytes = pullBytes
        self.idleMax = idleMax
        sharePace = SharePace(nanoseconds: shareInterval.clampedNanoseconds)
        inbox = try mailbox.attach(client, .readers)
        var random = SystemRandomNumberGenerator()
        let digits = String(random.next() as UInt64, radix: 16)
        consumerPrefix =
            "\(group)-\(String(repeating: "0", count: 16 - digits.count))\(digits)"
        metrics = Metrics(client.telemetry.metrics)
        // Another set of the process may have stopped readers.
        metrics.problems.add(0)
    }

    /// Adds a reader and returns its index. `open` starts it.
    package func add(_ input: Input) -> Int {
        var reader = Reader(input: input)
        reader.machine.mayBeLetGo = input.mayBeLetGo
        readers.append(reader)
        return readers.count - 1
    }

    /// Opens at a position, whose packet is proven first; `nil`: at the start of the tape.
    package func open(_ reader: Int, at position: TapePosition?) {
        readers[reader].machine.open(at: position, into: &effects)
        carryOut(reader)
    }

    /// Opens without a position, where `start` says.
    package func open(_ reader: Int, from start: ReaderLane.Start) {
        readers[reader].machine.open(from: start, isRaw: skip != nil, into: &effects)
        carryOut(reader)
    }

    /// Stops the reader and drops the waiting packets; `open` may follow.
    package func close(_ reader: Int) {
        if problem(reader) != nil { metrics.problems.add(-1) }
        readers[reader].isHeld = false
        dropWaiting(reader)
        readers[reader].machine.close()
    }

    /// Returns when the reader's stream was created; undefined before it was described.
    package func streamCreated(_ reader: Int) -> Timestamp { readers[reader].machine.streamCreated }

    /// For a raw reader: returns the sequence of the last message that it took; 0 for none.
    package func streamSequence(_ reader: Int) -> UInt64 { readers[reader].machine.streamSequence }

    /// Returns the reader's input.
    package func input(_ reader: Int) -> Input { readers[reader].input }

    /// Returns the position, which is that of the last packet that was accepted; `nil` when there
    /// is none. When `take` is called, it is on the packet already.
    package func position(_ reader: Int) -> TapePosition? { readers[reader].machine.position }
    /// Returns whether the reader accepts packets now.
    package func isReading(_ reader: Int) -> Bool { readers[reader].machine.isReading }
    /// Returns whether the stream did not exist when its description was last requested. The
    /// description is requested again.
    package func lacksStream(_ reader: Int) -> Bool { readers[reader].lacksStream }

    /// Returns why the reader stopped until it is closed; `nil` while it reads or tries to.
    package func problem(_ reader: Int) -> ReaderProblem? {
        guard case .stopped(let problem) = readers[reader].machine.state else { return nil }
        return problem
    }

    /// The indices of all readers, as long as none shares a consumer.
    package var indices: Range<Int> { readers.indices }

    /// Stops all readers. The server removes the consumers by itself when they are not pulled from
    /// for a while.
    package func close() {
        for reader in readers.indices { close(reader) }
    }

    // MARK: backpressure

    /// Hands over nothing more of this reader until `release`. The tape keeps the rest.
    package func hold(_ reader: Int) { readers[reader].isHeld = true }

    /// Continues after `hold`, first with the messages that came meanwhile. `take` may call `hold`.
    package func release(_ reader: Int, _ take: Take) {
        readers[reader].isHeld = false
        // The messages are taken out first, because a doubt or the owner may empty the list
        // meanwhile. What is then left here belongs to an older consumer and is ignored.
        let waiting = readers[reader].waiting
        readers[reader].waiting = []
        var index = 0
        while index < waiting.count, !readers[reader].isHeld {
            accept(waiting[index], for: reader, take)
            index += 1
        }
        readers[reader].waiting.insert(contentsOf: waiting[index...], at: 0)
        if index == waiting.count, readers[reader].isOverfull { leaveShare(reader) }
    }

    func dropWaiting(_ reader: Int) {
        readers[reader].waiting.removeAll()
        readers[reader].isOverfull = false
    }

    // MARK: events

    /// Handles a delivery: a packet, or a status of a pull. `take` is called before it returns.
    package func handle(_ message: NatsMessage, _ take: Take) {
        if let code = message.status {
            guard let place = address(of: message.subject) else { return }
            // A heartbeat depends on nothing else. Any other status ends a pull, so it is handled
            // after the packets that wait. Handled immediately, it would open the next pull, whose
            // packets would have to wait, too.
            if code == Self.heartbeatStatus || mayTake(place.reader) {
                accept(code, message, place)
            } else {
                readers[place.reader].waiting.append(message)
            }
        } else if let (reader, delivery) = delivery(of: message) {
            if mayTake(reader) {
                deliver(message, reader, delivery, take)
            } else {
                readers[reader].waiting.append(message)
            }
        }
    }

    /// Returns whether a message may be handled now. Otherwise it has to wait after the earlier
    /// ones.
    func mayTake(_ reader: Int) -> Bool {
        !readers[reader].isHeld && readers[reader].waiting.isEmpty
    }

    /// Accepts a message that has waited for a reader.
    private func accept(_ message: NatsMessage, for waited: Int, _ take: Take) {
        if let code = message.status {
            guard let place = address(of: message.subject) else { return }
            accept(code, message, place)
        } else if let (reader, delivery) = delivery(of: message) {
            guard reader != waited else { return deliver(message, reader, delivery, take) }
            do throws(PacketError) {
                let header = try header(of: message)
                takeShared(message, header, at: delivery.sequence, waited, take)
            } catch {
                // The reader stops there, once it meets the packet through its own consumer.
                leaveShare(waited)
            }
        }
    }

    /// Hands a pull's status to the reader's machine.
    private func accept(_ code: Int, _ message: NatsMessage, _ place: PullAddress) {
        readers[place.reader].machine.status(
            code, message.statusDescription ?? "", pull: place.pull,
            consumerNumber: place.consumerNumber,
            now: clock.monotonic(), into: &effects)
        carryOut(place.reader)
    }

    /// Checks a packet, has the reader's machine judge it, and hands it to the owner if it is
    /// accepted.
    private func deliver(
        _ message: NatsMessage, _ reader: Int, _ delivery: ReaderLane.Delivery, _ take: Take
    ) {
        do throws(PacketError) {
            let header = try header(of: message)
            let verdict = readers[reader].machine.packet(
                readers[reader].input.counted(header), delivery, now: clock.monotonic(),
                into: &effects)
            // The effects are carried out before the owner is called, because the owner may close
            // and open readers itself.
            carryOut(reader)
            guard verdict == .deliver else { return }
            guard readers[reader].share == nil else {
                return shareOut(message, header, at: delivery.sequence, of: reader, take)
            }
            metrics.packets.add()
            take(reader, header, message)
        } catch {
            guard let skip else {
                readers[reader].machine.undecodable(error, delivery, into: &effects)
                return carryOut(reader)
            }
            let verdict = readers[reader].machine.message(
                delivery, now: clock.monotonic(), into: &effects)
            carryOut(reader)
            if verdict == .deliver { skip(reader, error, message) }
        }
    }

    /// Checks a packet as the owner needs it.
    private func header(of message: NatsMessage) throws(PacketError) -> PacketHeader {
        try message.withPayload { bytes throws(PacketError) in
            try takesDamaged ? PacketReader.header(of: bytes) : PacketReader.validate(bytes)
        }
    }

    /// Handles `TapeEvent.reconnected`: the connection was lost and is back. All consumers are made
    /// again.
    package func reconnected() {
        closeShares()
        for reader in readers.indices {
            readers[reader].machine.reconnected(
                now: clock.monotonic(), into: &effects)
            carryOut(reader)
        }
    }

    /// Handles retries and stalls that are due. It may be called at any rate: deadlines are checked
    /// every 25 milliseconds. Call it when all received messages are handled.
    package func timePassed() {
        let now = clock.monotonic()
        guard now >= checkAt else { return }
        checkAt = now + Self.checkNanoseconds
        for reader in readers.indices {
            // The silence of a held reader proves nothing: it opens no more pulls.
            guard !readers[reader].isHeld, let deadline = readers[reader].machine.deadline,
                now >= deadline
            else { continue }
            guard
                !readers[reader].machine.awaitsServer
                    || isSilent(reader, since: deadline, now: now)
            else { continue }
            readers[reader].machine.timePassed(now: now, into: &effects)
            carryOut(reader)
        }
        shareConsumers(now: now)
    }

    /// Returns whether a passed deadline counts (`ServerSilence`).
    private func isSilent(_ reader: Int, since deadline: MonotonicTime, now: MonotonicTime) -> Bool
    {
        let traffic = mailbox.traffic
        return readers[reader].silence.counts(
            deadline: deadline, now: now, arrived: traffic.arrived, handled: traffic.received)
    }

    // MARK: names

    /// Returns the name of a reader's consumer.
    func consumer(_ reader: Int, _ consumerNumber: UInt64) -> String {
        "\(consumerPrefix)-\(reader)-\(consumerNumber)"
    }

    /// Returns the reader of a packet, from the name of the consumer that delivered it.
    private func delivery(
        of message: NatsMessage
    ) -> (reader: Int, delivery: ReaderLane.Delivery)? {
        message.withReplyTo { subject in
            let dash = UInt8(ascii: "-")
            guard let place = PulledMessage(ofReplySubject: subject),
                let consumerNumber = subject.lastNumber(
                    before: place.consumer.upperBound, behind: dash),
                let number = subject.lastNumber(before: consumerNumber.separator, behind: dash),
                number.separator > place.consumer.lowerBound,
                let reader = Int(exactly: number.value), readers.indices.contains(reader)
            else { return nil }
            let delivery = ReaderLane.Delivery(
                consumerNumber: consumerNumber.value, sequence: place.streamSequence,
                consumerSequence: place.consumerSequence, pending: place.pending)
            return (reader, delivery)
        }
    }

    private typealias PullAddress = (reader: Int, consumerNumber: UInt64, pull: UInt64)

    /// Reads the subject of a pull's status: `<inbox>.<reader>.<consumer number>.<pull>`.
    private func address(of subject: String) -> PullAddress? {
        let tokens = subject.utf8.split(separator: UInt8(ascii: "."))
        guard tokens.count >= 3, let pull = UInt64(Substring(tokens[tokens.count - 1])),
            let consumerNumber = UInt64(Substring(tokens[tokens.count - 2])),
            let reader = Int(Substring(tokens[tokens.count - 3])),
            readers.indices.contains(reader)
        else { return nil }
        return (reader, consumerNumber, pull)
    }

    // MARK: effects

    func carryOut(_ reader: Int) {
        guard !effects.isEmpty else { return }
        var index = 0
        while index < effects.count {
            if readers[reader].share != nil, effects[index].isTrouble {
                let trouble = effects[index]
                effects.removeAll(keepingCapacity: true)
                return dissolve(reader, trouble)
            }
            carryOut(effects[index], reader)
            index += 1
        }
        effects.removeAll(keepingCapacity: true)
    }

    func carryOut(_ effect: ReaderLane.Effect, _ reader: Int) {
        switch effect {
        case .readStream: readStream(reader)
        case .createConsumer(let consumerNumber, let start):
            createConsumers([WantedConsumer(reader: reader, number: consumerNumber, start: start)])
        case .pull(let consumerNumber, let number): pull(reader, consumerNumber, number)
        case .doubted(let doubt):
            client.telemetry.emit(.readerDoubted(reader: name(reader), doubt: doubt))
        case .hole(let source, let ordinals, let isLetGo):
            client.telemetry.emit(
                .tapeHole(
                    reader: name(reader), source: source.text, ordinals: ordinals,
                    isLetGo: isLetGo))
        case .letGo(let sequence, let first):
            client.telemetry.emit(
                .readerLetGo(reader: name(reader), sequence: sequence, first: first))
        case .stopped(let problem):
            metrics.problems.add(1)
            client.telemetry.emit(.readerStopped(reader: name(reader), problem: problem))
        }
    }

    func name(_ reader: Int) -> String {
        let input = readers[reader].input
        let readsFor = input.role.map { "\(group) \($0)" } ?? group
        return readers[reader].share == nil
            ? "\(readsFor) partition \(input.partition)" : "\(group) shared \(input.stream)"
    }

    private func pull(_ reader: Int, _ consumerNumber: UInt64, _ number: UInt64) {
        let usual = readers[reader].share == nil ? pullBytes : ReaderLane.pullBytes
        let isLarge = readers[reader].machine.pullsAreLarge
        let hasHeartbeats = readers[reader].machine.asksForHeartbeats(pull: number)
        do throws(NatsError) {
            try client.jetStream.pull(
                stream: readers[reader].input.stream, consumer: consumer(reader, consumerNumber),
                batch: ReaderLane.pullMessages,
                bytesMax: isLarge ? max(usual, ReaderLane.largePullBytes) : usual,
                expires: .seconds(ReaderLane.pullExpirySeconds),
                idleHeartbeat: hasHeartbeats ? .seconds(ReaderLane.heartbeatSeconds) : .zero,
                replyTo: "\(inbox).\(reader).\(consumerNumber).\(number)")
        } catch {
            // Without pulls nothing comes, so the lane stalls and makes the consumer again.
            client.telemetry.emit(.tapeCallFailed(reason: "\(error)"))
        }
    }
}
