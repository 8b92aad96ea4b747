import IBProtocol
import MarketModel
import Primitives
import Testing

@testable import IBEngine

@Suite("Contracts and what is known of them") struct DetailsTests {
    /// A machine with a contract that is known already and is requested once more by request 5.
    private static func bench() throws -> FeedBench {
        var bench = try FeedBench(.level1)
        bench.machine.entries[0].details.phase = .settled
        bench.machine.entries[0].contract.id = 7
        bench.machine.detailsRequests[5] = 0
        return bench
    }

    private static func details(_ id: Int32) -> ContractDetails {
        var details = ContractDetails()
        details.request = 5
        details.contract.id = id
        return details
    }

    @Test("A contract is taken over when it is the only one", arguments: [1, 2])
    func refreshed(_ count: Int) throws {
        var bench = try Self.bench()
        for index in 0..<count { bench.machine.took(Self.details(9 + Int32(index))) }
        #expect(bench.machine.entries[0].contract.id == 7)
        bench.machine.tookAllDetails(5, in: &bench.turn)
        #expect(bench.machine.entries[0].contract.id == (count == 1 ? 9 : 7))
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
            world.tell(2157, "Sec-def data farm connection is broken:sec")
        }
        world.pass(30)
        #expect(world.states == [.waiting, .waiting])
        #expect(world.feeds()[0].reason.contains("(200)"))
        world.server.isWithoutContracts = false
        if code == 1100 {
            world.restoreVendor()
        } else {
            world.tell(2158, "Sec-def data farm connection is OK:sec")
        }
        world.pass(10)
        #expect(world.states == [.live, .live])
    }

    @Test(
        "What had no contract is asked for again when the vendor, or what knows of them, is back",
        arguments: [(1101, true), (1102, true), (2158, true), (2104, false)])
    func askedAgain(_ code: Int, _ isAsked: Bool) {
        var world = World.running([.level1, .trades], seed: 4) {
            $0.server.isWithoutContracts = true
        }
        #expect(world.states == [.refused, .refused])
        world.server.isWithoutContracts = false
        world.tell(code, "Connection is OK:farm")
        world.pass(10)
        #expect(world.states == (isAsked ? [.live, .live] : [.refused, .refused]))
    }

    @Test("Of a contract that is known it is believed at the fifth time, until its farm is back")
    func knownContract() throws {
        var world = World.running([.level1], seed: 4)
        world.server.isWithoutContracts = true
        let id = try #require(world.server.subscriptions.keys.first)
        world.server.subscriptions = [:]
        world.tell(200, "No contract", about: id)
        world.pass(10)
        #expect(world.states == [.down])
        // The tries come after waits of 15, 30, 60 and 120 s.
        world.pass(240, step: second)
        #expect(world.states == [.refused])
        #expect(world.engine.status.openOutages > 0)
        world.server.isWithoutContracts = false
        world.tell(2158, "Sec-def data farm connection is OK:secdefil")
        world.pass(10)
        #expect(world.states == [.live] && world.engine.status.openOutages == 0)
    }

    @Test("What was asked of an instrument that has gone is not another one's")
    func gone() throws {
        var bench = try Self.bench()
        bench.machine.end(1, in: &bench.turn)
        #expect(bench.machine.detailsRequests.isEmpty)
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
