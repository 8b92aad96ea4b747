import ProviderKit
import MarketModel
import Primitives
import Testing
import YAMLFile

@Suite("Lists of instruments")
struct InstrumentFileTests {
    private func read(_ files: [String: String], _ paths: [String]) throws -> [Instrument] {
        try InstrumentFile.read(paths) { path, _ in
            files[path].map { .success(Array($0.utf8)) }
                ?? .failure(FileFailure("cannot be opened: No such file or directory"))
        }
    }

    private func list(_ instruments: String) -> String {
        """
        version: 1
        defaults: {exchange: SMART, currency: USD}
        instruments:
        \(instruments)

        """
    }

    private func one(_ entry: String) throws -> Instrument {
        let all = try read(["a.yaml": list("  - \(entry)")], ["a.yaml"])
        try #require(all.count == 1)
        return all[0]
    }

    private func problems(_ files: [String: String], _ paths: [String] = ["a.yaml"]) -> [String] {
        do {
            _ = try read(files, paths)
            return []
        } catch let error as FileMistakes {
            return error.lines
        } catch {
            return ["\(error)"]
        }
    }

    @Test("symbols that YAML takes for truths and numbers are symbols")
    func symbols() throws {
        let names = ["NO", "ON", "Y", "N", "YES", "OFF", "TRUE", "1810", "1e3", "BRK.B", "^GSPC"]
        let all = try read(
            ["a.yaml": list(names.map { "  - \($0)" }.joined(separator: "\n"))], ["a.yaml"])
        #expect(all.map(\.symbol.text) == names)
        #expect(try one("{symbol: NO}").symbol.text == "NO")
        #expect(try one("{symbol: ON, feeds: bars}").feeds == .bars)
        for word in ["true", "false", "null", "~"] {
            let found = problems(["a.yaml": list("  - \(word)")])
            #expect(found.count == 1 && found[0].hasPrefix("a.yaml:4:5: \"\(word)\""), "\(found)")
        }
        #expect(try one("\"true\"").symbol.text == "true")
    }

    @Test("defaults hold where an instrument says nothing else, and in their file alone")
    func defaults() throws {
        let text = """
            version: 1
            include: b.yaml
            defaults:
              exchange: SMART
              currency: USD
              primary_exchange: ARCA
              feeds: [quotes, bars]
              providers: [ibkr]
            instruments:
              - SPY
              - {symbol: SAP, currency: EUR, exchange: IBIS, feeds: trades, providers: [other]}
              - {symbol: SPX, security: index, exchange: CBOE}
            """
        let all = try read(["a.yaml": text, "b.yaml": list("  - QQQ")], ["a.yaml"])
        #expect(all.map(\.symbol.text) == ["SPY", "SAP", "SPX", "QQQ"])
        #expect(all[0].contract.exchange == "SMART" && all[0].contract.primaryExchange == "ARCA")
        #expect(all[0].feeds == [.level1, .bars] && all[0].providers == ["ibkr"])
        #expect(all[1].contract.currency == "EUR" && all[1].contract.exchange == "IBIS")
        #expect(all[1].feeds == .trades && all[1].providers == ["other"])
        // The primary exchange of a stock does not apply to an index.
        #expect(all[2].contract.primaryExchange.isEmpty && all[2].contract.security == .index)
        #expect(all[3].feeds == .level1 && all[3].providers.isEmpty)
    }

    @Test("every kind of contract")
    func contracts() throws {
        let option = try one(
            "{symbol: O, security: option, provider_symbol: SPY, expiry: 20261218, strike: 700.5,"
                + " right: put, multiplier: 100, feeds: [quotes, computations]}"
        ).contract
        #expect(option.security == .option && option.expiry == "20261218" && option.right == .put)
        #expect(option.strike == (try Price("700.5")) && option.multiplier == "100")
        let future = try one("{symbol: ES, security: future, exchange: CME, expiry: 202612}")
        #expect(future.contract.expiry == "202612" && future.contract.exchange == "CME")
        let named = try one("{symbol: CLZ6, security: future, local_symbol: CLZ6}").contract
        #expect(named.localSymbol == "CLZ6" && named.expiry.isEmpty)
        let pair = try one("{symbol: EUR/GBP, security: forex, exchange: IDEALPRO}").contract
        #expect(pair.providerSymbol == "EUR" && pair.currency == "GBP")
        let coin = try one("{symbol: BTC/USD, security: crypto, exchange: PAXOS}").contract
        #expect(coin.providerSymbol == "BTC" && coin.currency == "USD")
        let numbered = try one("{symbol: X, security: cfd, provider_id: 8314}").contract
        #expect(numbered.providerID == 8_314 && numbered.security == .cfd)
        let foreign = try one("{symbol: \u{e4}, provider_symbol: ASML}")
        #expect(foreign.symbol.text == "\u{e4}" && foreign.contract.providerSymbol == "ASML")
        for security in Instrument.Security.allCases {
            let text = "{symbol: X, security: \(security.rawValue), local_symbol: X}"
            #expect(try one(text).contract.security == security)
        }
    }

    @Test("what several lists name is one instrument with the feeds of all")
    func union() throws {
        let both = [
            "a.yaml": list("  - {symbol: SPY, feeds: bars}\n  - QQQ"),
            "b.yaml": list("  - {symbol: SPY, feeds: trades, providers: ibkr}\n  - IWM"),
        ]
        let all = try read(both, ["a.yaml", "b.yaml", "./a.yaml"])
        #expect(all.map(\.symbol.text) == ["SPY", "QQQ", "IWM"])
        #expect(all[0].feeds == [.bars, .trades] && all[0].providers == ["ibkr"])
        let other = both.merging([
            "b.yaml": list("  - {symbol: SPY, currency: EUR}\n  - {symbol: QQQ, providers: x}"),
            "c.yaml": list("  - {symbol: QQQ, providers: y}"),
        ]) { $1 }
        let found = problems(other, ["a.yaml", "b.yaml", "c.yaml"])
        #expect(found.count == 2)
        #expect(found[0].hasPrefix("b.yaml:4:5: \"SPY\" is another contract in a.yaml:4:5:"))
        #expect(found[1].hasPrefix("c.yaml:4:5: \"QQQ\" has other providers in a.yaml:5:5:"))
    }

    @Test("the book of one exchange needs one")
    func depth() throws {
        let mixed = try one("{symbol: SPY, feeds: [quotes, depth], depth_exchange: ARCA}")
        #expect(mixed.contract.exchange == "SMART" && mixed.depthExchange == "ARCA")
        #expect(try one("{symbol: ES, exchange: CME, feeds: depth}").depthExchange.isEmpty)
        #expect(try one("{symbol: SPY, feeds: smart-depth}").feeds == .smartDepth)
        for entry in ["feeds: [quotes, depth]}", "depth_exchange: SMART, feeds: depth}"] {
            let found = problems(["a.yaml": list("  - {symbol: SPY, \(entry)")])
            let text = "\"SPY\": feeds: depth is the book of one exchange, and SMART is none"
            #expect(found.count == 1 && found[0].contains(text), "\(found)")
        }
        // The exchange of depth makes no other contract, so another list may add it.
        let both = [
            "a.yaml": list("  - SPY"),
            "b.yaml": list("  - {symbol: SPY, feeds: depth, depth_exchange: ARCA}"),
            "c.yaml": list("  - {symbol: SPY, feeds: depth, depth_exchange: BATS}"),
        ]
        let all = try read(both, ["a.yaml", "b.yaml"])
        #expect(all.map(\.depthExchange) == ["ARCA"] && all[0].feeds == [.level1, .depth])
        let found = problems(both, ["b.yaml", "c.yaml"])
        #expect(found.count == 1 && found[0].contains("has another depth_exchange in b.yaml:4:5"))
        #expect(InstrumentListing.text(all).contains("stock USD SMART depth:ARCA"))
        #expect(InstrumentListing.json(all).contains("\"depth_exchange\":\"ARCA\""))
    }

    @Test("a lot is stated with its date and the lot before, or is a mistake with its place")
    func lots() throws {
        let shares = { (number: Int64) in Quantity(raw: number * 100_000_000) }
        #expect(try one("SPY").lot == nil)
        #expect(try one("{symbol: SPY, lot: 40}").lot == RoundLot(shares(40)))
        let day = try #require(ISOTime.parse("2026-05-01T00:00:00Z"))
        #expect(
            try one("{symbol: X, lot: 40, lot_from: 2026-05-01}").lot
                == RoundLot(shares(40), from: day, before: shares(100)))
        let exact = day.advanced(byNanoseconds: 14_400_000_000_000)
        #expect(
            try one("{symbol: X, lot: 10, lot_from: '2026-05-01T04:00:00Z', lot_before: 40}").lot
                == RoundLot(shares(10), from: exact, before: shares(40)))
        for (text, problem) in [
            ("lot: 0", "lot: \"0\" is no whole number"), ("lot: 0.5", "lot: \"0.5\" is no whole"),
            ("lot: forty", "lot: \"forty\" is no whole number from 1 to 1000000"),
            ("lot: 40, lot_from: May", "lot_from: \"May\" is no date"),
            ("lot: 40, lot_from: 2026-02-30", "is no date"),
            ("lot_from: 2026-05-01", "lot_from is of a lot"),
            ("lot: 40, lot_before: 100", "lot_before ends at lot_from"),
        ] {
            let found = problems(["a.yaml": list("  - {symbol: X, \(text)}")])
            #expect(found.count == 1 && found[0].hasPrefix("a.yaml:4:"), "\(found)")
            #expect(found.first?.contains(problem) == true, "\(found)")
        }
        let lists = [
            "a.yaml": list("  - {symbol: X, lot: 40, lot_from: 2026-05-01}"),
            "b.yaml": list("  - X"), "c.yaml": list("  - {symbol: X, lot: 10}"),
        ]
        let all = try read(lists, ["b.yaml", "a.yaml"])
        #expect(all[0].lot?.size == shares(40))
        #expect(InstrumentListing.text(all).contains("lot:40"))
        #expect(InstrumentListing.json(all).contains("\"lot\":\"40"))
        #expect(problems(lists, ["a.yaml", "c.yaml"])[0].contains("has another lot in a.yaml:4:5"))
    }

    @Test("all that is wrong is told at once, with its place")
    func wrong() throws {
        let text = """
            version: 1
            defaults: {currency: usd, feeds: [quotes, bar]}
            instruments:
              - {symbol: A, exchange: SMART, currency: USD, exchnage: X}
              - {symbol: B, exchange: SMART, currency: USD, strike: 5}
              - {symbol: C, exchange: SMART, currency: USD, security: option, expiry: 20261318}
              - {symbol: D, exchange: SMART, currency: USD, feeds: computations}
              - {symbol: E, currency: USD}
              - {symbol: A, exchange: SMART, currency: USD}
              - {exchange: SMART}
              - {symbol: FX/USD, security: forex, exchange: X, currency: EUR}
              - {symbol: F, exchange: SMART, currency: USD, provider_id: 2147483648}
              - {exchange: SMART, symbol: \u{c4}, currency: USD}
              - {symbol: \(String(repeating: "X", count: 65)), exchange: SMART, currency: USD}
              - {symbol: \u{d6}, exchange: SMART, currency: USD, provider_symbol: \u{d6}}
            """
        let found = problems(["a.yaml": text])
        let wanted = [
            "2:22: defaults: currency: \"usd\"", "2:43: defaults: feeds: \"bar\" is not known",
            "4:49: an instrument: \"exchnage\" is no key of it: did you mean exchange?",
            "5:57: \"B\": strike: stock contracts have none", "6:5: \"C\": strike is missing",
            "6:5: \"C\": right is missing", "6:75: \"C\": expiry: \"20261318\" is none",
            "7:56: \"D\": feeds: computations are of options alone",
            "8:5: \"E\": exchange is missing", "9:5: \"A\" is in line 4, too",
            "10:5: an instrument: symbol is missing", "11:62: \"FX/USD\": currency:",
            "12:62: \"F\": provider_id: \"2147483648\" is no whole number from 1 to 2147483647",
            "13:31: \"\u{c4}\": symbol: providers are asked with at most 64 printable ASCII",
            "14:14: \"\(String(repeating: "X", count: 40))", "15:66: \"\u{d6}\": provider_symbol:",
        ]
        for text in wanted {
            #expect(found.contains { $0.hasPrefix("a.yaml:\(text)") }, "\(text)")
        }
        // The wrong currency in the defaults causes no further problem, because each instrument has
        // its own.
        #expect(found.count == wanted.count, "\(found.joined(separator: "\n"))")
    }

    @Test("files that are missing, empty, circular or too many are told, and nothing runs away")
    func files() throws {
        #expect(problems([:]).first?.hasPrefix("a.yaml: cannot be opened") == true)
        let circle = [
            "x/a.yaml": "version: 1\ninclude: [../x/b.yaml]\n",
            "x/b.yaml": "version: 1\ninclude: [a.yaml]\n",
        ]
        let found = problems(circle, ["x/a.yaml"])
        #expect(found.count == 1 && found[0].contains("x/a.yaml <- x/b.yaml <- x/a.yaml"))
        #expect(problems(["a.yaml": list("  []")]).first?.contains("no instrument") == true)
        var many: [String: String] = [:]
        for number in 0...InstrumentFile.filesMax {
            many["\(number).yaml"] = "version: 1\ninclude: [\(number + 1).yaml]\n"
        }
        #expect(problems(many, ["0.yaml"]).contains { $0.contains("more than 64 files") })
        let long = (0...ProviderLimits.instrumentsMax).map { "  - S\($0)" }
        let tooMany = problems(["a.yaml": list(long.joined(separator: "\n"))])
        #expect(tooMany.count == 1 && tooMany[0].contains("more than 16384 instruments"))
    }

    @Test("no damage traps: every line of a list left out, cut and doubled")
    func damaged() throws {
        var random = SeededRandom(seed: 7)
        let whole = Array(
            list(
                "  - SPY\n  - {symbol: O, security: option, strike: 7, right: put}"
            ).utf8)
        for cut in 0..<whole.count {
            _ = problems(["a.yaml": String(decoding: whole[..<cut], as: UTF8.self)])
            var changed = whole
            changed[cut] = UInt8(truncatingIfNeeded: random.next())
            _ = try? InstrumentFile.read(["a.yaml"]) { [changed] _, _ in .success(changed) }
        }
    }

    @Test("the listing names everything, as text and as JSON")
    func listing() throws {
        let all = try read(
            [
                "a.yaml": list(
                    "  - {symbol: SPY, feeds: [bars, quotes], providers: ibkr}\n"
                        + "  - {symbol: EUR/USD, security: forex, exchange: IDEALPRO}")
            ], ["a.yaml"])
        #expect(
            InstrumentListing.text(all) == """
                SPY      stock USD SMART         quotes,bars  ibkr
                EUR/USD  forex EUR USD IDEALPRO  quotes
                2 instruments

                """)
        let json = try JSONValue.parse(InstrumentListing.json(all))
        let listed = try #require(json["instruments"]?.array)
        #expect(listed.count == 2)
        #expect(listed[0]["symbol"]?.string == "SPY" && listed[1]["currency"]?.string == "USD")
    }
}
