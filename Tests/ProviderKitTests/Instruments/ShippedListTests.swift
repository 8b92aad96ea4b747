import Foundation
import ProviderKit
import MarketModel
import Testing
import YAMLFile

@Suite("The lists of instruments that are shipped")
struct ShippedListTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("services/provider-gateway/instruments")

    private func read(_ names: [String], _ change: @escaping @Sendable (String) -> String = { $0 })
        throws -> [Instrument]
    {
        try InstrumentFile.read(names.map { Self.folder.appendingPathComponent($0).path }) {
            path, _ in
            guard let data = FileManager.default.contents(atPath: path) else {
                return .failure(FileFailure("cannot be opened"))
            }
            return .success(Array(change(String(decoding: data, as: UTF8.self)).utf8))
        }
    }

    @Test("each can be read, and all of them together")
    func shipped() throws {
        #expect(
            try read(["sectors.yaml"]).map(\.symbol.text) == [
                "XLK", "XLV", "XLF", "XLY", "XLI", "XLP", "XLE", "XLB", "XLRE", "XLU", "XLC",
            ])
        #expect(
            try read(["benchmarks.yaml"]).map(\.symbol.text) == ["SPY", "QQQ", "IWM", "DIA"])
        #expect(try read(["etf-30.yaml"]).count == 30)
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(try read(files.sorted()).count == 58)
    }

    @Test("the examples of the watch list are right when they are taken out of their comments")
    func examples() throws {
        let all = try read(["watchlist.yaml"]) { text in
            text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
                let isExample = line.hasPrefix("  # - ") || line.hasPrefix("  #   ")
                return isExample ? "  " + line.dropFirst(4) : String(line)
            }.joined(separator: "\n")
        }
        let kinds = Set(all.map(\.contract.security))
        #expect(
            kinds == [.stock, .option, .future, .futureOption, .forex, .crypto, .index, .cfd])
        #expect(all.count == 19)
    }
}
