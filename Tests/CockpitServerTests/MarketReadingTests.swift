import Primitives
import ServiceTestSupport
import TestSupport
import Testing

@testable import Cockpit

@Suite("The page Market") struct MarketReadingTests {
    @Test("all symbols of Valkey are rows, without a database too, and go with their sources")
    func shown() throws {
        let valkey = try ValkeyServer()
        for (symbol, price) in [("AAPL", "1.5"), ("BRK B", "400"), ("MSFT", "2")] {
            try valkey.cli([
                "HSET", "md:trade:\(symbol):ib", "price", price, "size", "", "exchange", "",
                "partition", "3", "lane", "ib", "ordinal", "7", "filled", "", "receive_ts",
                "1700000000000000000", "order", "1",
            ])
            try valkey.cli("HSET", "md:sources", symbol, "ib:9000000000000")
        }
        // Of another namespace, and one whose keys have expired.
        try valkey.cli("HSET", "other:sources", "X", "ib:9000000000000")
        try valkey.cli("HSET", "md:sources", "OVER", "ib:1700000000000")
        let cockpit = try LoneCockpit([
            "VALKEY_PORT": "\(valkey.port)", "VALKEY_PASSWORD": ValkeyServer.password,
        ])
        #expect(try cockpit.get("/market.json?order=volume").status == 400)
        var last: [String] = []
        func rows(_ query: String) throws -> [String] {
            let answer = try cockpit.get("/market.json?\(query)").json()
            last = (answer["rows"]?.array ?? []).map {
                "\($0["symbol"]?.string ?? "") \($0["price"]?.string ?? "")"
            }
            return last
        }
        let isThere = try eventually { try rows("") == ["AAPL 1.5", "BRK B 400", "MSFT 2"] }
        #expect(isThere, "\(last)")
        // The database is away, so changes of the day are not known, and it says why.
        let isSaid = try eventually {
            try cockpit.get("/market.json").json()["day_problem"]?.string?.isEmpty == false
        }
        #expect(isSaid)
        #expect(try rows("order=-price&count=1") == ["BRK B 400"])
        #expect(try rows("filter=ms") == ["MSFT 2"])
        try valkey.cli("HDEL", "md:sources", "MSFT")
        try valkey.cli("DEL", "md:trade:MSFT:ib")
        let isGone = try eventually { try rows("").count == 2 }
        #expect(isGone, "\(last)")
        _ = try cockpit.running.stop()
    }
}
