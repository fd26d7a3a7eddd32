import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.atomic.LongAdder;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Flink in one process: `Main w0|w1`, every update. Heap state, checkpoints to disk each second; the sink at least once. */
public class Main {
  static final LongAdder done = new LongAdder(), results = new LongAdder();
  static final TypeInformation<Tuple2<String, String>> RESULT = Types.TUPLE(Types.STRING, Types.STRING);

  public static class Reading implements KafkaRecordDeserializationSchema<Order> {
    private transient Order.Decoder decoder;

    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Order> out) {
      if (decoder == null) decoder = new Order.Decoder();
      out.collect(decoder.decode(record.value()));
    }

    public TypeInformation<Order> getProducedType() {
      return TypeInformation.of(Order.class);
    }
  }

  public static class Writing implements KafkaRecordSerializationSchema<Tuple2<String, String>> {
    private final String topic;

    Writing(String topic) {
      this.topic = topic;
    }

    public ProducerRecord<byte[], byte[]> serialize(Tuple2<String, String> result, KafkaSinkContext context, Long time) {
      results.increment();
      return new ProducerRecord<>(topic, result.f0.getBytes(StandardCharsets.UTF_8), result.f1.getBytes(StandardCharsets.UTF_8));
    }
  }

  public static class Stores extends KeyedProcessFunction<String, Order, Tuple2<String, String>> implements Store.Chunks, Store.Open {
    private transient ValueState<Store> store;
    private transient MapState<Long, long[]> times;
    private transient MapState<String, Boolean> open;

    public void open(OpenContext context) {
      store = getRuntimeContext().getState(new ValueStateDescriptor<>("store", TypeInformation.of(Store.class)));
      times = getRuntimeContext().getMapState(new MapStateDescriptor<>("times", Types.LONG, PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO));
      open = getRuntimeContext().getMapState(new MapStateDescriptor<>("open", Types.STRING, Types.BOOLEAN));
    }

    public void processElement(Order order, Context context, Collector<Tuple2<String, String>> out) throws Exception {
      Store here = store.value();
      if (here == null) here = new Store();
      here.update(order, this, this);
      store.update(here);
      out.collect(Tuple2.of(order.storeId, here.json(order.storeId)));
      done.increment();
    }

    public long[] get(long chunk) throws Exception { return times.get(chunk); }
    public void put(long chunk, long[] all) throws Exception { times.put(chunk, all); }
    public void remove(long chunk) throws Exception { times.remove(chunk); }
    public boolean has(String order) throws Exception { return open.contains(order); }
    public void add(String order) throws Exception { open.put(order, true); }
    public void remove(String order) throws Exception { open.remove(order); }
  }

  public static void main(String[] args) throws Exception {
    String broker = System.getProperty("broker"), topic = System.getProperty("topic"), to = System.getProperty("out");
    Configuration settings = new Configuration();
    settings.set(StateBackendOptions.STATE_BACKEND, "hashmap");
    settings.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
    settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, Path.of(System.getProperty("directory")).toUri().toString());
    settings.set(PipelineOptions.OBJECT_REUSE, true);
    StreamExecutionEnvironment flink = StreamExecutionEnvironment.createLocalEnvironment(Integer.getInteger("threads"), settings);
    flink.enableCheckpointing(1_000);
    KafkaSource<Order> source = KafkaSource.<Order>builder().setBootstrapServers(broker).setTopics(topic).setGroupId(to)
        .setStartingOffsets(OffsetsInitializer.earliest()).setBounded(OffsetsInitializer.latest()).setDeserializer(new Reading()).build();
    KafkaSink<Tuple2<String, String>> sink = KafkaSink.<Tuple2<String, String>>builder().setBootstrapServers(broker)
        .setRecordSerializer(new Writing(to)).setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE).setProperty("linger.ms", "100").build();
    DataStream<Order> orders = flink.fromSource(source, WatermarkStrategy.noWatermarks(), "orders");
    DataStream<Tuple2<String, String>> made = args[0].equals("w0")
        ? orders.filter(order -> { done.increment(); return order.isTaken(); }).map(order -> Tuple2.of(order.storeId, order.json())).returns(RESULT)
        : orders.keyBy(order -> order.storeId).process(new Stores()).returns(RESULT);
    made.sinkTo(sink);
    flink.execute();
    Order.report(done.sum(), results.sum());
    System.exit(0);
  }
}
