/// A queue from which several elements are removed at the front in one batch. On average, the cost
/// depends on the number of removed elements and not on the number that remain. The owner bounds
/// it.
struct PopQueue<Element> {
    private var items: [Element] = []
    /// The number of elements at the front of `items` that are removed already.
    private var head = 0

    var count: Int { items.count - head }
    var isEmpty: Bool { count == 0 }
    var last: Element? { isEmpty ? nil : items.last }

    /// Returns an element, counted from the front.
    subscript(place: Int) -> Element { items[head + place] }

    mutating func append(_ item: Element) { items.append(item) }

    mutating func removeFirst(_ number: Int) {
        precondition(number <= count, "more is taken out than is there")
        head += number
        // At most as many elements are moved as were removed since the last time.
        guard head >= items.count - head else { return }
        items.removeFirst(head)
        head = 0
    }
}
