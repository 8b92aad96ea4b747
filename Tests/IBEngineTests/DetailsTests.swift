import IBProtocol
import MarketModel
import Primitives
import ProviderModel
import Testing

@testable import IBEngine

@Suite("Contracts and what is known of them") struct DetailsTests {
    private static let now = Moment(
        wall: Timestamp(nanoseconds: World.dayStart * second), monotonic: second)

    /// With a contract that is known already, and is asked for once more by request 5.
    private static func machine(_ tools: inout EngineTools) throws -> FeedMachine {
        var machine = FeedMachine()
        var output = IBEngine.Output()
        let symbol = try #require(Symbol("A"))
        let instrument = Instrument(
            symbol: symbol, contract: Instrument.Contract(.stock), feeds: .level1)
        machine.begin(1, instrument, now, &tools, &output)
        machine.entries[0].details = .settled
        machine.entries[0].contract.id = 7
        machine.detailsRoutes[5] = 0
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
        var tools = EngineTools(IBEngineSettings(seed: 1))
        var machine = try Self.machine(&tools)
        var output = IBEngine.Output()
        for index in 0..<count { machine.took(Self.details(9 + Int32(index))) }
        #expect(machine.entries[0].contract.id == 7)
        machine.tookAllDetails(5, Self.now, &output)
        #expect(machine.entries[0].contract.id == (count == 1 ? 9 : 7))
    }

    @Test("What was asked of an instrument that has gone is not another one's")
    func gone() throws {
        var tools = EngineTools(IBEngineSettings(seed: 1))
        var machine = try Self.machine(&tools)
        var output = IBEngine.Output()
        machine.end(1, Self.now, &tools, &output)
        #expect(machine.detailsRoutes.isEmpty)
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
