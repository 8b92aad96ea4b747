import MarketModel
import OperatorGraph
import ServiceTestSupport
import StreamCore
import Testing

@testable import OperatorWorker

@Suite("The operator's settings")
struct OperatorSettingsTests {
    @Test("series arrive, from the finest series to the coarsest")
    func all() throws {
        let settings = try OperatorSettings(
            TestService.configuration(
                Main.description,
                ["OPERATOR_SERIES": "1h,1s,5m"]))
        #expect(settings.program.series.map(\.name.text) == ["1s", "5m", "1h"])
    }

    @Test("the definition follows from the series, in any order of naming")
    func definition() throws {
        func definition(_ series: String) throws -> UInt64 {
            try OperatorSettings(
                TestService.configuration(Main.description, ["OPERATOR_SERIES": series])
            ).definition
        }
        #expect(try definition("1s,1m") == definition("1m,1s"))
        #expect(try definition("1s,1m") != definition("1s,1m,1h"))
        #expect(try definition("60s") != definition("1m"))
    }

    @Test(
        "a value that makes no sense is one sentence that begins with its key",
        arguments: [
            ("OPERATOR_SERIES", "7s"), ("OPERATOR_SERIES", "1x"), ("OPERATOR_SERIES", "1m,60s"),
            ("OPERATOR_SERIES", "0s"), ("OPERATOR_SERIES", "2d"),
        ])
    func bad(key: String, value: String) {
        let found = TestService.problems(Main.description, [key: value])
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.hasPrefix(key) == true, "\(found)")
    }
}
