import Foundation
import MarketModel
import Primitives
import TestSupport
import Testing

@testable import TapelineTool

@Suite("tapeline partition of")
struct PartitionOfTests {
    /// Python: `mmh3.hash(symbol, signed=False) % n` for n = 8, 4 and 1000.
    private static let golden: [(symbol: String, of8: Int, of4: Int, of1000: Int)] = [
        ("AAPL", 7, 3, 799),
        ("MSFT", 0, 0, 272),
        ("BRK.B", 3, 3, 347),
        ("ES=F", 2, 2, 74),
        ("BTC/USD", 5, 1, 469),
        ("^GSPC", 4, 0, 364),
        ("7203.T", 7, 3, 319),
        ("SPY   261218C00500000", 3, 3, 147),
        ("AAPL  251219P00150000", 1, 1, 937),
        ("EUR.USD", 0, 0, 992),
        ("CL-Z25", 4, 0, 316),
        ("a", 2, 2, 850),
        ("ab", 7, 3, 991),
        ("abc", 2, 2, 2),
        ("abcd", 2, 2, 978),
        ("\u{e9}", 7, 3, 495),
        ("\u{e9}", 7, 3, 495),
        ("\u{65e5}\u{7d4c}225", 0, 0, 440),
        ("\u{1f600}", 2, 2, 546),
        ("\u{1f34e}\u{1f34f}", 5, 1, 853),
        ("BF-B", 1, 1, 465),
        ("$SPX", 4, 0, 284),
        ("VIX 25", 4, 0, 636),
        (String(repeating: "x", count: 300), 5, 1, 21),
        (String(repeating: "Ω", count: 150), 1, 1, 649),
        (" ", 0, 0, 832),
        ("ZN MAR26", 2, 2, 474),
        ("A B", 4, 0, 396),
        ("GC=F", 4, 0, 484),
        ("DOGE-USDT", 2, 2, 202),
        ("NQ#", 1, 1, 497),
        ("na\u{ef}ve", 5, 1, 445),
    ]

    private func answer(_ arguments: [String]) throws -> String {
        guard
            case .of(let question) = try PartitionCommand.parse(["of"] + arguments)
        else { return "another command" }
        return question.answer
    }

    @Test("the number is that of Python's mmh3, for any symbol and count")
    func golden() throws {
        for (symbol, of8, of4, of1000) in Self.golden {
            #expect(try answer(["--", symbol]) == "\(of8)", "\(symbol)")
            #expect(try answer(["--partitions", "4", "--", symbol]) == "\(of4)", "\(symbol)")
            #expect(
                try answer(["--partitions=1000", "--", symbol]) == "\(of1000)", "\(symbol)")
        }
    }

    @Test("Python says the same, where it has mmh3")
    func python() throws {
        let script = """
            import sys
            try:
                import mmh3
            except ImportError:
                sys.exit(3)
            for line in sys.stdin.buffer.read().split(b"\\0"):
                print(mmh3.hash(line, signed=False) % 8)
            """
        var random = SeededRandom(seed: 20_261_120)
        let letters = Array("ABCXYZ019 ./=-^éΩ日😀")
        let symbols = (0..<500).map { _ in
            String(
                (0..<(1 + random.next() % 40)).map { _ in
                    letters[Int(random.next() % UInt64(letters.count))]
                })
        }
        let folder = try TemporaryFolder("python")
        let input = try folder.write(symbols.joined(separator: "\0"), to: "symbols")
        let output: String
        do {
            output = try run("/bin/sh", ["-c", "exec python3 -c \"$0\" < \"$1\"", script, input])
        } catch let failure as ProgramFailure where [3, 127].contains(failure.status) {
            print("Python has no mmh3 here: only the golden table was compared")
            return
        }
        let numbers = output.split(separator: "\n").map(String.init)
        #expect(numbers == (try symbols.map { try answer(["--", $0]) }))
    }

    @Test("JSON says what was used")
    func json() throws {
        let given = try JSONValue.parse(answer(["BRK.B", "--json", "--partitions", "8"]))
        #expect(given["symbol"]?.string == "BRK.B" && given["partitions"]?.int == 8)
        #expect(given["default_partitions"]?.bool == false)
        #expect(given["hash"]?.uint64 == 2_416_543_347)
        #expect(given["partition"]?.int == 2_416_543_347 % 8)
        let usual = try JSONValue.parse(answer(["BRK.B", "--json"]))
        #expect(usual["partitions"]?.int == 8 && usual["default_partitions"]?.bool == true)
    }
}
