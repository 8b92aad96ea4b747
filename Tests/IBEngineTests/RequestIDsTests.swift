import IBEngine
import Testing

@Suite("Numbers of requests") struct RequestIDsTests {
    @Test("Numbers are not handed out twice, and begin where the server says")
    func unique() {
        var ids = RequestIDs()
        #expect(ids.next() == 1)
        ids.begin(at: 100)
        #expect(ids.next() == 100)
        ids.begin(at: 50)
        #expect(ids.next() == 101)
    }

    @Test("The last number is followed by the first one instead of a trap")
    func wraps() {
        var ids = RequestIDs()
        ids.begin(at: .max)
        #expect(ids.next() == RequestIDs.last)
        #expect(ids.next() == 1)
    }
}
