import IBProtocol
import Testing

@Suite("Farms that a notice names") struct FarmNamesTests {
    @Test(
        "What is not connected is named behind a colon, up to the end of the sentence",
        arguments: [
            (
                1102, "restored. The following farms are not connected: usfuture; ushmds.",
                "usfuture ushmds"
            ),
            (1102, "Not connected:usfarm.nj, secdefil. All else is.", "usfarm.nj secdefil"),
            (1101, "The following farms are not connected: usfarm.nj", "usfarm.nj"),
            (1102, "restored - data maintained. All data farms are connected: usfarm; ushmds.", ""),
            (1102, "not connected:", ""), (1102, "", ""),
            (1100, "The following farms are not connected: usfarm", ""),
        ])
    func names(_ code: Int32, _ text: String, _ names: String) {
        let notice = IBNotice(request: -1, code: code, text: text)
        #expect(notice.farmsNotConnected.map(\.1).joined(separator: " ") == names)
    }

    @Test("History and definitions are known by their names")
    func kinds() {
        let notice = IBNotice(
            request: -1, code: 1102, text: "not connected: usfarm; ushmds; secdefil; euhmds")
        #expect(
            notice.farmsNotConnected.map(\.0) == [.marketData, .history, .definitions, .history])
    }
}
