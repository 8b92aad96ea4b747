import Primitives
import Synchronization

/// The documents of single pages. Each is made only while its page is open somewhere, which asks
/// for it with each event, and is shared by all who look.
final class PageDocuments: Sendable {
    enum Page: String, CaseIterable, Sendable {
        case lines, partitions, store, feeds, alerts, dead, actions
    }

    /// A page that was not asked for in this time is not open.
    static let graceNanoseconds: Int64 = 5_000_000_000

    private struct Document {
        /// Empty before the first one: nothing in it is known.
        var json = Array("{}".utf8)
        var askedAt = MonotonicTime.distantPast
    }

    private let documents = Mutex<[Page: Document]>([:])

    /// Returns the document at this path, as it was last made. `nil` if there is none.
    func answer(_ path: String, at now: MonotonicTime) -> [UInt8]? {
        guard let page = Page.allCases.first(where: { path == "/\($0.rawValue).json" }) else {
            return nil
        }
        return documents.withLock { documents in
            documents[page, default: Document()].askedAt = now
            return documents[page]?.json
        }
    }

    func isWanted(_ page: Page, at now: MonotonicTime) -> Bool {
        documents.withLock { documents in
            documents[page].map { now - $0.askedAt < Self.graceNanoseconds } ?? false
        }
    }

    func put(_ page: Page, _ json: [UInt8]) {
        documents.withLock { $0[page, default: Document()].json = json }
    }
}
