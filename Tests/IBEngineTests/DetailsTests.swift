import IBProtocol
import MarketModel
import Primitives
import Testing

@testable import IBEngine

@Suite("Contracts and what is known of them") struct DetailsTests {
    private static let now = Moment(
        wall: Timestamp(nanoseconds: World.dayStart * second), monotonic: .at(second))

    /// A machine with a contract that is known already and is requested once more by request 5.
    private static func machine(_ turn: inout Turn) throws -> FeedMachine {
        var machine = FeedMachine()
        let symbol = try #require(Symbol("A"))
        let instrument = Instrument(
            symbol: symbol, contract: Instrument.Contract(.stock), feeds: .level1)
        machine.begin(1, instrument, in: &turn)
        machine.entries[0].details.phase = .settled
        machine.entries[0].contract.id = 7
        machine.detailsRequests[5] = 0
        return machine
    }

    private static func details(_ id: Int32) -> ContractDetails {
        var details = ContractDetails()
        details.request = 5
        details.contract.id = id
        return details
    }

    @Test("A contract is taken over when it is the only one", arguments: [1, 2])
    func refreshed(_ count: Int) throws {
        var turn = Turn(IBEngineSettings(seed: 1), Self.now)
        var machine = try Self.machine(&turn)
        for index in 0..<count { machine.took(Self.details(9 + Int32(index))) }
        #expect(machine.entries[0].contract.id == 7)
        machine.tookAllDetails(5, in: &turn)
        #expect(machine.entries[0].contract.id == (count == 1 ? 9 : 7))
    }

    private static func feeds(_ world: World) -> [FeedStatus.State] {
        world.engine.status.instruments.flatMap { $0.feeds.map(\.state) }
    }

    @Test(
        "That there is no contract is not believed while those who know of them are away",
        arguments: [1100, 2157])
    func doubted(_ code: Int) {
        var world = World(seed: 4, feeds: [.level1, .trades], canBackfill: false)
        world.server.isWithoutContracts = true
        world.server.isVendorLost = code == 1100
        world.start()
        while !world.server.isIntroduced { world.step(10_000_000) }
        if code == 2157 {
            world.server.send(
                world.server.words.notice(-1, 2157, "Sec-def data farm connection is broken:sec"),
                world.now)
        }
        for _ in 0..<300 { world.step(100_000_000) }
        #expect(Self.feeds(world) == [.waiting, .waiting])
        #expect(world.engine.status.instruments[0].feeds[0].reason.contains("(200)"))
        world.server.isWithoutContracts = false
        if code == 1100 {
            world.remedies.append((world.now, .restore(lost: false)))
        } else {
            world.server.send(
                world.server.words.notice(-1, 2158, "Sec-def data farm connection is OK:sec"),
                world.now)
        }
        for _ in 0..<100 { world.step(100_000_000) }
        #expect(Self.feeds(world) == [.live, .live])
    }

    @Test(
        "What had no contract is asked for again when the vendor, or what knows of them, is back",
        arguments: [(1101, true), (1102, true), (2158, true), (2104, false)])
    func askedAgain(_ code: Int, _ isAsked: Bool) {
        var world = World(seed: 4, feeds: [.level1, .trades], canBackfill: false)
        world.server.isWithoutContracts = true
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        #expect(Self.feeds(world) == [.refused, .refused])
        world.server.isWithoutContracts = false
        world.server.send(world.server.words.notice(-1, code, "Connection is OK:farm"), world.now)
        for _ in 0..<100 { world.step(100_000_000) }
        #expect(Self.feeds(world) == (isAsked ? [.live, .live] : [.refused, .refused]))
    }

    @Test("Of a contract that is known it is believed at the fifth time, until its farm is back")
    func knownContract() throws {
        var world = World(seed: 4, feeds: [.level1], canBackfill: false)
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        world.server.isWithoutContracts = true
        let id = try #require(world.server.subscriptions.keys.first)
        world.server.subscriptions = [:]
        world.server.send(world.server.words.notice(id, 200, "No contract"), world.now)
        for _ in 0..<100 { world.step(100_000_000) }
        #expect(Self.feeds(world) == [.down])
        // The tries come after waits of 15, 30, 60 and 120 s.
        for _ in 0..<240 { world.step(second) }
        #expect(Self.feeds(world) == [.refused])
        #expect(world.engine.status.openOutages > 0)
        world.server.isWithoutContracts = false
        world.server.send(
            world.server.words.notice(-1, 2158, "Sec-def data farm connection is OK:secdefil"),
            world.now)
        for _ in 0..<100 { world.step(100_000_000) }
        #expect(Self.feeds(world) == [.live] && world.engine.status.openOutages == 0)
    }

    @Test("What was asked of an instrument that has gone is not another one's")
    func gone() throws {
        var turn = Turn(IBEngineSettings(seed: 1), Self.now)
        var machine = try Self.machine(&turn)
        machine.end(1, in: &turn)
        #expect(machine.detailsRequests.isEmpty)
    }

    @Test(
        "The provider's own name or number of a contract is asked for without our symbol beside it")
    func named() throws {
        func contract(_ change: (inout Instrument.Contract) -> Void) throws -> Contract {
            var wanted = Instrument.Contract(.future)
            wanted.exchange = "NYMEX"
            wanted.currency = "EUR"
            change(&wanted)
            let symbol = try #require(Symbol("CL 202612"))
            return Contract(Instrument(symbol: symbol, contract: wanted, feeds: .level1))
        }
        #expect(try contract { _ in }.symbol == "CL 202612")
        #expect(try contract { $0.providerSymbol = "CL" }.symbol == "CL")
        let local = try contract { $0.localSymbol = "CLZ6" }
        #expect(local.symbol.isEmpty && local.localSymbol == "CLZ6" && local.currency == "EUR")
        #expect(
            try contract { ($0.providerSymbol, $0.localSymbol) = ("CL", "CLZ6") }.symbol == "CL")
        let numbered = try contract { ($0.providerID, $0.currency) = (Int32.max, "") }
        #expect(numbered.symbol.isEmpty && numbered.id == Int32.max && numbered.currency.isEmpty)
        #expect(try contract { $0.currency = "" }.currency == "USD")
        #expect(IBRequest.contractDetails(id: 1, local).subject == "details of CLZ6")
        #expect(
            IBRequest.contractDetails(id: 1, numbered).subject == "details of contract 2147483647")
    }
}
