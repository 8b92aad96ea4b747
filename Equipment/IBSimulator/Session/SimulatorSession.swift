internal import Primitives

/// The session of one client, from its greeting to its end. It turns events into bytes, which the
/// link holds.
struct SimulatorSession: Sendable {
    enum State: Equatable, Sendable {
        case unknown
        /// The version is agreed upon, but startApi has not come yet.
        case greeted
        case started(clientID: Int32)
    }

    let number: Int
    private(set) var state = State.unknown
    var link = OutgoingLink()
    var faults = TickFaults()
    var writer: MessageWriter
    private var reader: RequestReader
    private var frames = ClientFrames()
    private var pacing = PacingWatch()
    private var isPacedByServer = false
    private let outgoingBytesMax: Int

    /// The data type that the client requested: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen.
    var dataType: Int32 = 1
    var wantsBulletins = false
    /// The number of next historical requests that are answered by a pacing violation.
    var pacingErrors = 0
    var level1: [Level1Feed] = []
    var tickByTick: [TickByTickFeed] = []
    var depth: [DepthSubscription] = []
    var bars: [BarFeed] = []
    var growing: [GrowingBar] = []

    init(number: Int, settings: SimulatorSettings) {
        self.number = number
        outgoingBytesMax = settings.limits.outgoingBytes
        writer = MessageWriter(serverVersion: settings.serverVersion)
        reader = RequestReader(serverVersion: settings.serverVersion)
    }

    var clientID: Int32? {
        guard case .started(let id) = state else { return nil }
        return id
    }

    // MARK: sending

    mutating func send(_ message: ServerMessage, of instrument: Int? = nil) {
        link.append(QueuedMessage(message: message, instrument: instrument))
        if link.waiting > outgoingBytesMax { link.closeNow() }
    }

    /// Sends messages of a stream. The faults of ticks apply to these.
    mutating func send(ticks: [ServerMessage], of instrument: Int, now: Timestamp) {
        for tick in ticks {
            guard !faults.isQuiet else {
                send(tick, of: instrument)
                continue
            }
            let queued = QueuedMessage(message: tick, instrument: instrument)
            for passed in faults.pass(queued, now: now) {
                send(passed.message, of: passed.instrument)
            }
        }
    }

    mutating func send(_ bulletin: Bulletin) {
        send(writer.bulletin(id: bulletin.id, type: 1, text: bulletin.text, exchange: "NYSE"))
    }

    mutating func sendDueTicks(now: Timestamp) {
        for held in faults.due(now: now) { send(held.message, of: held.instrument) }
    }

    mutating func refuse(_ request: Int32, _ code: Int32, _ text: String) {
        send(writer.error(request, code: code, text))
    }

    /// Sends a message that belongs to no request, if the client has started the API.
    mutating func notice(_ code: Int32, _ text: String) {
        guard clientID != nil else { return }
        refuse(-1, code, text)
    }

    // MARK: receiving

    mutating func received(_ bytes: [UInt8], _ world: World) {
        frames.append(bytes)
        do throws(ClientFrames.Fault) {
            while !link.isClosed, let piece = try frames.next() { take(piece, world) }
        } catch {
            notice(320, "Error reading request: \(error)")
            link.closeWhenSent()
        }
    }

    private mutating func take(_ piece: ClientFrames.Piece, _ world: World) {
        switch piece {
        case .greeting(_, let max, let options): greet(max: max, options, world)
        case .frame(let fields):
            do throws(RequestReader.Fault) {
                try take(reader.read(fields), world)
            } catch {
                let id = fields.count > 1 ? Int32(fields[1]) ?? -1 : -1
                if state == .greeted { link.closeWhenSent() }
                refuse(id, 320, "Error reading request: \(error)")
            }
        }
    }

    private mutating func greet(max: Int32, _ options: String, _ world: World) {
        let version = min(max, world.settings.serverVersion)
        guard version >= MessageWriter.versions.lowerBound else {
            link.closeWhenSent()
            return
        }
        writer = MessageWriter(serverVersion: version)
        reader = RequestReader(serverVersion: version)
        isPacedByServer = options.contains("+PACEAPI")
        var answer: [UInt8] = []
        ServerMessage.appendGreeting(
            version: version,
            time: "\(MarketTime.date(world.second)) \(MarketTime.clock(world.second)) UTC",
            to: &answer)
        link.append(raw: answer)
        state = .greeted
    }

    private mutating func take(_ request: ClientRequest, _ world: World) {
        guard case .started = state else {
            guard case .startAPI(let client, _) = request else {
                refuse(request.id, 321, "Error validating request: startApi comes first")
                return
            }
            start(client, world)
            return
        }
        if world.settings.limits.watchesPacing, !isPacedByServer,
            !pacing.allows(requestAt: world.now)
        {
            refuse(-1, 100, "Max rate of messages per second has been exceeded: max=50")
            if pacing.violations >= SimulatorLimits.violationsMax { link.closeWhenSent() }
            return
        }
        handle(request, world)
    }

    private mutating func start(_ client: Int32, _ world: World) {
        let isFull = world.clientIDs.count >= world.settings.limits.clientsMax
        guard !world.conditions.refusesClientIDs, !isFull, !world.clientIDs.contains(client)
        else {
            refuse(
                -1, 326,
                "Unable to connect as the client id is already in use. "
                    + "Retry with a unique client id.")
            link.closeWhenSent()
            return
        }
        state = .started(clientID: client)
        send(writer.managedAccounts(world.settings.accounts))
        send(writer.nextValidID(1))
        let conditions = world.conditions
        if conditions.isServerLost {
            notice(1100, "Connectivity between the platform and the server has been lost.")
        }
        let market = conditions.isMarketFarmDown
        notice(
            market ? 2103 : 2104, "Market data farm connection is \(market ? "broken" : "OK"):sim")
        let past = conditions.isHistoryFarmDown
        notice(past ? 2105 : 2106, "HMDS data farm connection is \(past ? "broken" : "OK"):simhmds")
        notice(2158, "Sec-def data farm connection is OK:simsecdef")
    }

    /// Returns the complaint about a historical request, or `nil`.
    mutating func pacingProblem(
        key: String, contract: String, isBidAsk: Bool, _ world: World
    ) -> String? {
        guard world.settings.limits.watchesPacing else { return nil }
        return pacing.problem(key: key, contract: contract, isBidAsk: isBidAsk, at: world.now)
    }

    // MARK: end of subscriptions

    /// Forgets all subscriptions, as the server does at 1101.
    mutating func forgetSubscriptions() {
        level1 = []
        tickByTick = []
        depth = []
        bars = []
        growing = []
    }
}
