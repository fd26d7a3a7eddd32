import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.internals.InternalProcessorContext;
import org.apache.kafka.streams.processor.internals.ProcessorNode;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.internals.CacheFlushListener;
import org.apache.kafka.streams.state.internals.WrappedStateStore;

/**
 * Kafka Streams in one process: `Main w0|w1 coalesced|each`. W0 at least once; W1 exactly once, state in RocksDB (with -Dmemory=true on the heap), commits each second.
 * Coalesced: results come when the cache of the state is flushed, as those of `aggregate()` of its DSL do.
 */
public class Main {
  static final LongAdder done = new LongAdder(), results = new LongAdder();

  static class StoreWork implements Processor<String, Order, String, String> {
    private final boolean coalesced;
    private ProcessorContext<String, String> context;
    private KeyValueStore<String, Store> stores;
    private KeyValueStore<byte[], byte[]> times, open;

    StoreWork(boolean coalesced) {
      this.coalesced = coalesced;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    public void init(ProcessorContext<String, String> given) {
      context = given;
      stores = given.getStateStore("stores");
      times = given.getStateStore("times");
      open = given.getStateStore("open");
      if (!coalesced) return;
      InternalProcessorContext inner = (InternalProcessorContext) given;
      ProcessorNode here = inner.currentNode();
      CacheFlushListener<String, Store> flushed = record -> {
        ProcessorNode before = inner.currentNode();
        inner.setCurrentNode(here);
        try {
          say(record.key(), record.value().newValue, record.timestamp());
        } finally {
          inner.setCurrentNode(before);
        }
      };
      if (!((WrappedStateStore) (Object) stores).setFlushListener(flushed, false)) throw new IllegalStateException("no cache");
    }

    private void say(String id, Store store, long time) {
      results.increment();
      context.forward(new Record<>(id, store.json(id), time));
    }

    public void process(Record<String, Order> record) {
      String id = record.key();
      byte[] prefix = (id + '\0').getBytes(StandardCharsets.UTF_8);
      Store store = stores.get(id);
      if (store == null) store = new Store();
      try {
        store.update(record.value(), chunks(prefix), orders(prefix));
      } catch (Exception error) {
        throw new RuntimeException(error);
      }
      stores.put(id, store);
      if (!coalesced) say(id, store, record.timestamp());
      done.increment();
    }

    private Store.Chunks chunks(byte[] prefix) {
      return new Store.Chunks() {
        private byte[] key(long chunk) { return ByteBuffer.allocate(prefix.length + 8).put(prefix).putLong(chunk).array(); }
        public long[] get(long chunk) { byte[] bytes = times.get(key(chunk)); return bytes == null ? null : longs(bytes); }
        public void put(long chunk, long[] all) { times.put(key(chunk), bytes(all)); }
        public void remove(long chunk) { times.delete(key(chunk)); }
      };
    }

    private Store.Open orders(byte[] prefix) {
      return new Store.Open() {
        private byte[] key(String order) { byte[] text = order.getBytes(StandardCharsets.UTF_8); return ByteBuffer.allocate(prefix.length + text.length).put(prefix).put(text).array(); }
        public boolean has(String order) { return open.get(key(order)) != null; }
        public void add(String order) { open.put(key(order), new byte[] {1}); }
        public void remove(String order) { open.delete(key(order)); }
      };
    }
  }

  static byte[] bytes(long[] values) {
    ByteBuffer to = ByteBuffer.allocate(8 * values.length);
    for (long value : values) to.putLong(value);
    return to.array();
  }

  static long[] longs(byte[] bytes) {
    long[] values = new long[bytes.length / 8];
    ByteBuffer.wrap(bytes).asLongBuffer().get(values);
    return values;
  }

  static <T> Serde<T> serde(Function<T, byte[]> to, Function<byte[], T> from) {
    return Serdes.serdeFrom((topic, value) -> value == null ? null : to.apply(value), (topic, bytes) -> bytes == null ? null : from.apply(bytes));
  }

  static KeyValueBytesStoreSupplier keyValueStore(String name) {
    return Boolean.getBoolean("memory") ? Stores.inMemoryKeyValueStore(name) : Stores.persistentKeyValueStore(name);
  }

  public static void main(String[] args) throws Exception {
    boolean isW1 = args[0].equals("w1"), coalesced = args[1].equals("coalesced");
    String to = System.getProperty("out");
    long events = Long.getLong("events");
    StreamsBuilder builder = new StreamsBuilder();
    ThreadLocal<Order.Decoder> decoder = ThreadLocal.withInitial(Order.Decoder::new);
    KStream<byte[], Order> orders = builder.stream(System.getProperty("topic"), Consumed.with(Serdes.ByteArray(), serde((Order order) -> null, bytes -> decoder.get().decode(bytes))));
    Produced<String, String> texts = Produced.with(Serdes.String(), Serdes.String());
    if (!isW1) {
      orders.filter((key, order) -> { done.increment(); return order.isTaken(); })
          .map((key, order) -> { results.increment(); return KeyValue.pair(order.storeId, order.json()); }).to(to, texts);
    } else {
      var stores = Stores.keyValueStoreBuilder(keyValueStore("stores"), Serdes.String(), serde(Store::bytes, Store::of));
      builder.addStateStore(coalesced ? stores.withCachingEnabled() : stores);
      for (String name : List.of("times", "open"))
        builder.addStateStore(Stores.keyValueStoreBuilder(keyValueStore(name), Serdes.ByteArray(), Serdes.ByteArray()));
      orders.selectKey((key, order) -> order.storeId)
          .repartition(Repartitioned.with(Serdes.String(), serde(Order::rowBytes, Order::ofRow)).withName("by-store").withNumberOfPartitions(Integer.getInteger("partitions")))
          .process(() -> new StoreWork(coalesced), "stores", "times", "open").to(to, texts);
    }
    Properties settings = new Properties();
    settings.put("application.id", to);
    settings.put("bootstrap.servers", System.getProperty("broker"));
    settings.put("num.stream.threads", Integer.getInteger("threads"));
    settings.put("processing.guarantee", isW1 ? "exactly_once_v2" : "at_least_once");
    settings.put("commit.interval.ms", 1_000);
    settings.put("state.dir", System.getProperty("directory"));
    settings.put("auto.offset.reset", "earliest");
    settings.put("statestore.cache.max.bytes", 10 << 20);
    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    streams.setUncaughtExceptionHandler(error -> {
      error.printStackTrace();
      Runtime.getRuntime().halt(3);
      return null;
    });
    streams.start();
    while (done.sum() < events) Thread.sleep(10);
    streams.close(Duration.ofSeconds(60));
    Order.report(done.sum(), results.sum());
    System.exit(0);
  }
}
