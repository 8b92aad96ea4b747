import Testing

@testable import StoreWriter

@Suite("How long a session of PostgreSQL waits for tables")
struct TableWaitsTests {
    private let usual = TableWaits(lock: .seconds(10), statement: .seconds(60))

    @Test("a transaction sets no limit of its own")
    func opening() {
        #expect(TableWaits.none.opening == ["BEGIN"])
        #expect(TableWaits.common.opening == ["BEGIN"])
        #expect(TableWaits.apart.opening == ["BEGIN", "SET CONSTRAINTS ALL IMMEDIATE"])
        #expect(TableWaits.common.lockLimit == "SET LOCAL lock_timeout = 1000")
    }

    @Test("a session gets the limits once, and the usual ones of its connection back")
    func settings() {
        let limited = TableWaits.common.settings(after: .none, usual: usual)
        #expect(limited == ["SET lock_timeout = 1000", "SET statement_timeout = 5000"])
        #expect(TableWaits.common.settings(after: .common, usual: usual).isEmpty)
        let apart = TableWaits.apart.settings(after: .none, usual: usual)
        #expect(apart == ["SET lock_timeout = 2000", "SET statement_timeout = 20000"])
        let back = TableWaits.none.settings(after: .common, usual: usual)
        #expect(back == ["SET lock_timeout = 10000", "SET statement_timeout = 60000"])
        #expect(TableWaits.none.settings(after: .none, usual: usual).isEmpty)
    }
}
