internal import Primitives

/// The feeds by the service's symbols and by channel: looked up by the bytes of a message.
package struct FeedPlaces: Sendable {
    private let channels: Int
    private var names = NamePlaces()
    /// By symbol and channel; -1: there is none.
    private var feeds: [Int32] = []
    private var count = 0

    /// `channels`: how many there are, by their numbers from 0.
    package init(channels: Int) { self.channels = channels }

    /// Returns the number of a symbol; `nil`: it was never asked for.
    package func symbol(_ name: RawSpan) -> Int? { names.find(name) }

    /// Returns the feed of a symbol's channel; `nil`: there is none.
    package func feed(_ symbol: Int, _ channel: Int) -> Int? {
        let feed = feeds[symbol * channels + channel]
        return feed < 0 ? nil : Int(feed)
    }

    /// The same by the symbol's name.
    package func feed(_ name: String, _ channel: Int) -> Int? {
        names.find(name).flatMap { feed($0, channel) }
    }

    /// Gives a symbol's channel its feed.
    package mutating func add(_ name: String, _ channel: Int, feed: Int) {
        let symbol: Int
        if let known = names.find(name) {
            symbol = known
        } else {
            symbol = count
            count += 1
            names.add(name, at: symbol)
            feeds += [Int32](repeating: -1, count: channels)
        }
        feeds[symbol * channels + channel] = Int32(feed)
    }
}
